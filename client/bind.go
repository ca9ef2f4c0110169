package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode"
)

// Bind fills a struct of functions, so that a remote call reads like a local
// one. stub points to a struct; each exported field of a function type becomes
// a call of the method named by its tag rpc, or by the field's name beginning in
// lower case (Add: "add", ID: "id", URLFor: "urlFor"). Other fields are left
// alone.
//
// A function takes a context and any number of arguments and returns a result
// and an error, or an error alone. One argument that is an array or an object in
// JSON becomes the params themselves, and a nil one leaves them out; all others
// are passed by position.
//
// Bind's error names every field that has another form; nothing is filled then.
func (c *Client) Bind(stub any) error {
	v := reflect.ValueOf(stub)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("bind %s: want a pointer to a struct, got %T", c.service, stub)
	}
	v = v.Elem()
	var faults []error
	var bound []func()
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !sf.IsExported() || sf.Type.Kind() != reflect.Func {
			continue
		}
		if !callable(sf.Type) {
			faults = append(faults, fmt.Errorf("bind %s: field %s is a %v, want func(context.Context, …) (R, error) or func(context.Context, …) error",
				c.service, sf.Name, sf.Type))
			continue
		}
		method := cmp.Or(sf.Tag.Get("rpc"), lowerCamel(sf.Name))
		bound = append(bound, func() { v.Field(i).Set(reflect.MakeFunc(sf.Type, c.stub(method, sf.Type))) })
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	for _, set := range bound {
		set()
	}
	return nil
}

func callable(t reflect.Type) bool {
	last := t.NumOut() - 1
	return !t.IsVariadic() && t.NumIn() > 0 && t.In(0) == reflect.TypeFor[context.Context]() &&
		(last == 0 || last == 1) && t.Out(last) == reflect.TypeFor[error]()
}

// stub returns what a bound field does.
func (c *Client) stub(method string, t reflect.Type) func([]reflect.Value) []reflect.Value {
	return func(args []reflect.Value) []reflect.Value {
		out := make([]reflect.Value, t.NumOut())
		var result any // nil where the function returns none
		if len(out) == 2 {
			target := reflect.New(t.Out(0))
			out[0], result = target.Elem(), target.Interface()
		}
		params, err := bindParams(args[1:])
		if err != nil {
			err = c.failed("call", method, err)
		} else {
			err = c.Call(args[0].Interface().(context.Context), method, params, result)
		}
		failure := reflect.New(reflect.TypeFor[error]()).Elem()
		if err != nil {
			failure.Set(reflect.ValueOf(err))
		}
		out[len(out)-1] = failure
		return out
	}
}

func bindParams(args []reflect.Value) (any, error) {
	values := make([]any, len(args))
	for i, arg := range args {
		values[i] = arg.Interface()
	}
	switch len(values) {
	case 0:
		return nil, nil
	case 1:
		switch values[0].(type) {
		case bool, string, int, int64, float64:
			return values, nil
		}
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(values[0]); err != nil {
			return nil, fmt.Errorf("encode params: %w", err)
		}
		raw := json.RawMessage(bytes.TrimSpace(buf.Bytes()))
		if c := raw[0]; c == '{' || c == '[' || c == 'n' {
			return raw, nil
		}
		return []json.RawMessage{raw}, nil
	}
	return values, nil
}

// lowerCamel lowers the capitals that a name begins with, except one that begins
// its second word.
func lowerCamel(name string) string {
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsUpper(r) || i > 0 && i+1 < len(runes) && unicode.IsLower(runes[i+1]) {
			break
		}
		runes[i] = unicode.ToLower(r)
	}
	return string(runes)
}
