package otlp

import (
	"encoding/binary"
	"math"
	"strings"
)

// A message is one of Protocol Buffers, as it stands on the wire
// (https://protobuf.dev/programming-guides/encoding). Fields with the zero value are left
// out, as in proto3.
type message []byte

// Wire types.
const (
	varint          = 0
	fixed64         = 1
	lengthDelimited = 2
	fixed32         = 5
)

func (m *message) tag(field, kind int) { m.signed(int64(field)<<3 | int64(kind)) }

func (m *message) uvarint(v uint64) { *m = binary.AppendUvarint(*m, v) }

// signed writes a number of type int64, which for one below zero is ten bytes long.
func (m *message) signed(v int64) {
	m.uvarint(uint64(v)) //nolint:gosec // in two's complement, as the encoding wants it
}

func (m *message) int(field, v int) {
	if v != 0 {
		m.tag(field, varint)
		m.signed(int64(v))
	}
}

func (m *message) fixed64(field int, v uint64) {
	if v != 0 {
		m.tag(field, fixed64)
		*m = binary.LittleEndian.AppendUint64(*m, v)
	}
}

func (m *message) fixed32(field int, v uint32) {
	if v != 0 {
		m.tag(field, fixed32)
		*m = binary.LittleEndian.AppendUint32(*m, v)
	}
}

// float is written even where it is zero.
func (m *message) float(field int, v float64) {
	m.tag(field, fixed64)
	*m = binary.LittleEndian.AppendUint64(*m, math.Float64bits(v))
}

func (m *message) bytes(field int, b []byte) {
	if len(b) > 0 {
		m.message(field, b)
	}
}

func (m *message) string(field int, s string) {
	if s != "" {
		m.tag(field, lengthDelimited)
		m.text(s)
	}
}

// message is written even where it is empty: that it is there may say something.
func (m *message) message(field int, inner message) {
	m.tag(field, lengthDelimited)
	m.uvarint(uint64(len(inner)))
	*m = append(*m, inner...)
}

// text writes what follows the tag of a string. What is no UTF-8 is made so: decoders
// refuse a whole request for one such string.
func (m *message) text(s string) {
	s = strings.ToValidUTF8(s, "\uFFFD")
	m.uvarint(uint64(len(s)))
	*m = append(*m, s...)
}
