package jsonrpc

import (
	"encoding/json"
	"strconv"
)

// Unmarshal does what json.Unmarshal does, faster where value is a [Reply]'s Result
// and into points to a number, a string, a bool or a list of these.
func Unmarshal(value json.RawMessage, into any) error {
	if len(value) == 0 || value[0] == '{' { // nothing to be gained
		return json.Unmarshal(value, into)
	}
	s := scanner{data: value}
	if s.skip(0) == nil && s.pos == len(value) && decodeCommon(value, into) {
		return nil
	}
	return json.Unmarshal(value, into)
}

// unmarshal is Unmarshal for a value that a scanner has accepted.
func unmarshal(value json.RawMessage, into any) error {
	if decodeCommon(value, into) {
		return nil
	}
	return json.Unmarshal(value, into)
}

// decodeCommon stores a value that a scanner has accepted in a variable of one of the
// types that most params and results have, without reflection and without scanning it
// again. Where it returns false it has changed nothing, and it is for encoding/json to
// store the value or to say why it does not fit.
func decodeCommon(value json.RawMessage, into any) bool {
	switch p := into.(type) {
	case *float64:
		return decodeOne(value, p, parseFloat)
	case *int:
		return decodeOne(value, p, parseInt)
	case *int64:
		return decodeOne(value, p, parseInt64)
	case *string:
		return decodeOne(value, p, stringOf)
	case *bool:
		return decodeOne(value, p, parseBool)
	case *json.RawMessage:
		return p.UnmarshalJSON(value) == nil
	case *[]float64:
		return decodeList(value, p, parseFloat)
	case *[]int:
		return decodeList(value, p, parseInt)
	case *[]string:
		return decodeList(value, p, stringOf)
	case **float64:
		return decodeNew(value, p, parseFloat)
	case **int:
		return decodeNew(value, p, parseInt)
	case **string:
		return decodeNew(value, p, stringOf)
	case **bool:
		return decodeNew(value, p, parseBool)
	}
	return false
}

func decodeOne[T any](value json.RawMessage, p *T, parse func(json.RawMessage) (T, bool)) bool {
	v, ok := parse(value)
	if ok = ok && p != nil; ok {
		*p = v
	}
	return ok
}

func decodeNew[T any](value json.RawMessage, p **T, parse func(json.RawMessage) (T, bool)) bool {
	v, ok := parse(value)
	switch {
	case !ok || p == nil:
		return false
	case *p == nil:
		*p = &v
	default:
		**p = v
	}
	return true
}

func decodeList[T any](value json.RawMessage, p *[]T, parse func(json.RawMessage) (T, bool)) bool {
	if value[0] != '[' || p == nil || *p != nil { // encoding/json reuses the memory of a list that is there
		return false
	}
	list := make([]T, 0, 4)
	s := scanner{data: value, pos: 1}
	for first := true; ; first = false {
		more, err := s.next(']', first)
		if err != nil {
			return false
		}
		if !more {
			*p = list
			return true
		}
		element, err := s.value(1)
		if err != nil {
			return false
		}
		v, ok := parse(element)
		if !ok {
			return false
		}
		list = append(list, v)
	}
}

// stringOf returns what a value says if it is a string.
func stringOf(value json.RawMessage) (string, bool) {
	if value[0] != '"' {
		return "", false
	}
	return unquote(value), true
}

// The others return false, too, for a number that their type cannot hold.

func parseFloat(value json.RawMessage) (float64, bool) {
	f, err := strconv.ParseFloat(string(value), 64)
	return f, err == nil
}

func parseInt(value json.RawMessage) (int, bool) {
	n, err := strconv.Atoi(string(value))
	return n, err == nil
}

func parseInt64(value json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(string(value), 10, 64)
	return n, err == nil
}

func parseBool(value json.RawMessage) (v, ok bool) {
	return value[0] == 't', value[0] == 't' || value[0] == 'f'
}
