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

func (m *message) tag(field, kind int) { m.uvarint(uint64(field)<<3 | uint64(kind)) }

func (m *message) uvarint(v uint64) { *m = binary.AppendUvarint(*m, v) }

func (m *message) varint(field int, v uint64) {
	if v != 0 {
		m.tag(field, varint)
		m.uvarint(v)
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
