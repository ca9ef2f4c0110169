package jsonrpc

import (
	"context"
	"encoding/json"
	"reflect"
)

// A Method is a Handler with what rpc.discover tells of its types. Func and Raw
// make one.
type Method struct {
	handler Handler
	doc     methodDoc
}

// None stands for no parameters, or for no result: it is answered as null.
type None = struct{}

// Func makes a method of a plain function. Reflection over P and R happens here,
// once; Func panics if P cannot hold parameters.
//
// If P is a struct or a pointer to one, its fields are the parameters, under the
// names that encoding/json gives them, embedded structs included. A request
// passes them by name, {"a":1,"b":5.1}, or in the order of the fields, [1,5.1].
// A field is required unless it is a pointer or tagged omitempty or omitzero.
// Names must match exactly, and parameters that are missing, unknown, surplus or
// of the wrong type are answered with CodeInvalidParams and [ParamFaults], all of
// them at once. null is accepted where it can be told from a value, or where the
// parameter is optional. Inside a parameter the rules of encoding/json hold.
//
// If P is a slice, an array, a map, an interface or decodes itself
// (json.Unmarshaler), it takes the params as they are and keeps its zero value
// if there are none. None takes no parameters.
func Func[P, R any](fn func(context.Context, P) (R, error)) Method {
	plan := planParams(reflect.TypeFor[P]())
	result := reflect.TypeFor[R]()
	void := result == reflect.TypeFor[None]()
	return Method{
		doc: describe(plan, result, void),
		handler: func(ctx context.Context, params json.RawMessage) (any, error) {
			var in P
			if err := plan.decode(params, reflect.ValueOf(&in).Elem()); err != nil {
				return nil, err
			}
			out, err := fn(ctx, in)
			if err != nil || void {
				return nil, err
			}
			return out, nil
		},
	}
}

// Raw makes a method of a Handler that reads its params itself. A nil h panics
// when the method is registered.
func Raw(h Handler) Method {
	return Method{handler: h, doc: describeRaw()}
}
