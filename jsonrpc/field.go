package jsonrpc

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A field is one parameter in a struct.
type field struct {
	name     string
	doc      string // from the tag jsonschema, as inside nested structs
	index    []int  // as for reflect.Value.FieldByIndex
	typ      reflect.Type
	optional bool
	nullable bool // its type can tell null from a value
	tagged   bool // its name stands in a tag, which wins over one that does not
}

// fieldsOf lists the parameters that t has, in the order of its fields, by the
// rules of encoding/json: fields of an embedded struct count as t's own unless it
// has a name in its tag; of several fields with one name the shallowest wins, then
// the tagged one, and if that leaves two, neither is there.
func fieldsOf(t reflect.Type) []field {
	all := walkFields(t, nil, nil)
	var dominant []field
	for i, f := range all {
		wins := true
		for j, other := range all {
			if i != j && f.name == other.name && !f.beats(other) {
				wins = false
			}
		}
		if wins {
			dominant = append(dominant, f)
		}
	}
	return dominant
}

func (f *field) beats(other field) bool {
	if len(f.index) != len(other.index) {
		return len(f.index) < len(other.index)
	}
	return f.tagged && !other.tagged
}

// walkFields descends into embedded structs; around holds those it is inside of.
func walkFields(t reflect.Type, index []int, around []reflect.Type) []field {
	if slices.Contains(around, t) {
		return nil // embeds itself: the outer fields win anyway
	}
	around = append(around, t)
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag := sf.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, opts, _ := strings.Cut(tag, ",")
		options := strings.Split(opts, ",")
		at := append(slices.Clone(index), i)
		if sf.Anonymous && name == "" {
			embedded := sf.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
				if !sf.IsExported() && embedded.Kind() == reflect.Struct {
					panic(fmt.Sprintf("jsonrpc: %v embeds a pointer to %v, which is not exported and so cannot be filled", t, embedded))
				}
			}
			if embedded.Kind() == reflect.Struct {
				fields = append(fields, walkFields(embedded, at, around)...)
				continue
			}
		}
		if !sf.IsExported() {
			continue
		}
		if slices.Contains(options, "string") {
			panic(fmt.Sprintf("jsonrpc: %v.%s: the option string of its json tag is not supported in params", t, sf.Name))
		}
		kind := sf.Type.Kind()
		f := field{name: name, doc: sf.Tag.Get("jsonschema"), index: at, typ: sf.Type, tagged: name != ""}
		f.optional = kind == reflect.Pointer || slices.Contains(options, "omitempty") || slices.Contains(options, "omitzero")
		f.nullable = kind == reflect.Interface || kind == reflect.Map || kind == reflect.Slice
		if name == "" {
			f.name = sf.Name
		}
		fields = append(fields, f)
	}
	return fields
}

// in returns the field inside v and makes the embedded structs on the way to it.
func (f *field) in(v reflect.Value) reflect.Value {
	for _, i := range f.index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v
}

// jsonKind names the JSON that t is read from.
func jsonKind(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "string"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "integer"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return "non-negative integer"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.String:
		return "string"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Struct, reflect.Map:
		return "object"
	}
	return "value"
}
