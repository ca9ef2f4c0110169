package jsonrpc

import (
	"encoding"
	"encoding/json"
	"reflect"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// schemaOf returns the JSON Schema of what t looks like in JSON, using only
// keywords of draft 07, which OpenRPC prescribes. A type that inference cannot
// express, as a recursive one, is described as any value, which is true if
// not helpful.
func schemaOf(t reflect.Type) *jsonschema.Schema {
	known := map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[json.RawMessage](): {},
		reflect.TypeFor[json.Number]():     {Type: "number"},
		reflect.TypeFor[[]byte]():          {Type: "string", ContentEncoding: "base64"},
		reflect.TypeFor[time.Time]():       {Type: "string", Format: "date-time"},
	}
	addMarshalers(t, known, make(map[reflect.Type]bool))
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: known})
	if err != nil {
		return &jsonschema.Schema{}
	}
	return s
}

// addMarshalers finds the types inside t that encode themselves, which inference
// would describe by their fields all the same.
func addMarshalers(t reflect.Type, known map[reflect.Type]*jsonschema.Schema, seen map[reflect.Type]bool) {
	if seen[t] || known[t] != nil {
		return
	}
	seen[t] = true
	kind := t.Kind()
	switch {
	case kind == reflect.Pointer: // by its element, so that null is kept
	case kind == reflect.Interface: // any value
		return
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()):
		known[t] = &jsonschema.Schema{}
		return
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		known[t] = &jsonschema.Schema{Type: "string"}
		return
	}
	switch kind {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		addMarshalers(t.Elem(), known, seen)
	case reflect.Struct:
		for f := range t.Fields() {
			addMarshalers(f.Type, known, seen)
		}
	}
}
