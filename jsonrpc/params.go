package jsonrpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// ParamFaults is the data of an error with CodeInvalidParams that Func made:
// which parameters are wrong, and why.
type ParamFaults struct {
	Missing  []string          `json:"missing,omitempty"`  // required and absent
	Unknown  []string          `json:"unknown,omitempty"`  // names that the method does not have
	Twice    []string          `json:"twice,omitempty"`    // names that occur more than once
	Surplus  int               `json:"surplus,omitempty"`  // positions past the last parameter
	Mistyped map[string]string `json:"mistyped,omitempty"` // name: what was wanted and what came
}

func (f *ParamFaults) mistyped(name, why string) {
	if f.Mistyped == nil {
		f.Mistyped = make(map[string]string)
	}
	f.Mistyped[name] = why
}

// err returns nil if there are no faults.
func (f *ParamFaults) err() error {
	if len(f.Missing)+len(f.Unknown)+len(f.Twice)+f.Surplus+len(f.Mistyped) == 0 {
		return nil
	}
	return Errorf(CodeInvalidParams, "Invalid params").WithData(*f) // a copy, so that f need not be on the heap
}

// A paramPlan is what reflection found out about the type of the params.
type paramPlan struct {
	typ    reflect.Type
	whole  bool // it takes the params as they are
	fields []field
	byName map[string]int
}

func planParams(t reflect.Type) *paramPlan {
	base := t
	if t.Kind() == reflect.Pointer {
		base = t.Elem()
	}
	p := &paramPlan{typ: t}
	switch kind := base.Kind(); {
	case reflect.PointerTo(base).Implements(reflect.TypeFor[json.Unmarshaler]()):
		p.whole = true
	case kind == reflect.Struct:
		p.fields = fieldsOf(base)
		p.byName = make(map[string]int, len(p.fields))
		for i, f := range p.fields {
			p.byName[f.name] = i
		}
	case t == base && (kind == reflect.Slice || kind == reflect.Array || kind == reflect.Map || kind == reflect.Interface):
		p.whole = true
	default:
		panic(fmt.Sprintf("jsonrpc: %v cannot hold params, which are an array or an object: use a struct with a field for each", t))
	}
	return p
}

// decode stores params in v, which is of the plan's type.
func (p *paramPlan) decode(params json.RawMessage, v reflect.Value) error {
	var faults ParamFaults
	if p.whole {
		if params == nil {
			return nil
		}
		if err := Unmarshal(params, v.Addr().Interface()); err != nil {
			faults.mistyped("params", explain(err))
		}
		return faults.err()
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	var few [16]bool // the usual number fits, and then it costs no memory
	seen := few[:]
	if len(p.fields) > len(few) {
		seen = make([]bool, len(p.fields))
	}
	if err := p.scan(params, v, seen, &faults); err != nil {
		return Errorf(CodeInvalidParams, "Invalid params").WithData(err.Error())
	}
	for i, f := range p.fields {
		if !seen[i] && !f.optional {
			faults.Missing = append(faults.Missing, f.name)
		}
	}
	return faults.err()
}

// scan walks over params and stores what fits. Its error is one of syntax, which
// middleware can cause but a caller cannot.
func (p *paramPlan) scan(params json.RawMessage, v reflect.Value, seen []bool, faults *ParamFaults) error {
	if params == nil {
		return nil
	}
	s := scanner{data: params}
	s.space()
	closing := s.peek() + 2 // as in skipNested
	if closing != '}' && closing != ']' {
		return s.fail("want an array or an object")
	}
	s.pos++
	for position := 0; ; position++ {
		more, err := s.next(closing, position == 0)
		if err != nil {
			return err
		}
		if !more {
			return s.end()
		}
		at := position
		if closing == '}' {
			name, err := s.name()
			if err != nil {
				return err
			}
			i, known := p.byName[string(name)]
			switch {
			case !known:
				faults.Unknown = append(faults.Unknown, string(name))
				i = len(p.fields)
			case seen[i]:
				faults.Twice = append(faults.Twice, string(name))
			}
			at = i
		} else if position >= len(p.fields) {
			faults.Surplus++
		}
		value, err := s.value(1)
		if err != nil {
			return err
		}
		if at < len(p.fields) {
			seen[at] = true
			p.fields[at].set(v, value, faults)
		}
	}
}

func (f *field) set(v reflect.Value, value json.RawMessage, faults *ParamFaults) {
	if !f.optional && !f.nullable && bytes.Equal(value, null) {
		faults.mistyped(f.name, fmt.Sprintf("want %s, got null", jsonKind(f.typ)))
		return
	}
	if err := unmarshal(value, f.in(v).Addr().Interface()); err != nil {
		faults.mistyped(f.name, explain(err))
	}
}

// explain words a decoding error for a caller, who knows JSON and not our types.
func explain(err error) string {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err.Error()
	}
	why := fmt.Sprintf("want %s, got %s", jsonKind(wrong.Type), wrong.Value)
	if wrong.Field != "" {
		why = "in " + wrong.Field + ": " + why
	}
	return why
}
