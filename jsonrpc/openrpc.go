package jsonrpc

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
)

// openRPCVersion is the version of https://spec.open-rpc.org that the document
// follows.
const openRPCVersion = "1.4.0"

type document struct {
	OpenRPC string      `json:"openrpc"`
	Info    info        `json:"info"`
	Methods []methodDoc `json:"methods"`
}

type info struct {
	Title   string `json:"title"`
	Version string `json:"version"`
}

type methodDoc struct {
	Name           string             `json:"name"`
	Summary        string             `json:"summary,omitempty"`
	ParamStructure string             `json:"paramStructure"`
	Params         []descriptor       `json:"params"`
	XParams        *jsonschema.Schema `json:"x-params,omitempty"`
	Result         descriptor         `json:"result"`
	Errors         []Error            `json:"errors,omitempty"`
	XRetry         *retryDoc          `json:"x-retry,omitempty"`
	XDedupe        string             `json:"x-dedupe,omitempty"` // a duration such as 24h0m0s
	XPublic        bool               `json:"x-public,omitempty"`
	XScopes        []string           `json:"x-scopes,omitempty"`
}

type descriptor struct {
	Name        string             `json:"name"`
	Description string             `json:"description,omitempty"`
	Required    bool               `json:"required,omitempty"`
	Schema      *jsonschema.Schema `json:"schema"`
}

// A retryDoc is what the option Retry said. Durations are written as 1m30s.
type retryDoc struct {
	Attempts int    `json:"attempts"`
	First    string `json:"first"`
	Most     string `json:"most"`
}

// discover returns the OpenRPC document of all methods that exist for whoever asks.
func (m *Mux) discover(outside bool) document {
	doc := document{
		OpenRPC: openRPCVersion,
		Info:    info{Title: cmp.Or(m.Title, "untitled"), Version: cmp.Or(m.Version, "0.0.0")},
		Methods: []methodDoc{},
	}
	for _, name := range m.Methods() {
		e := m.entries[name]
		if outside && !e.public {
			continue
		}
		d := e.method.doc
		d.Name, d.Summary, d.Errors = name, e.summary, e.throws
		d.XPublic, d.XScopes = e.public, e.scopes
		if e.attempts > 0 {
			d.XRetry = &retryDoc{e.attempts, e.first.String(), e.most.String()}
		}
		if e.dedupe > 0 {
			d.XDedupe = e.dedupe.String()
		}
		doc.Methods = append(doc.Methods, d)
	}
	return doc
}

func describe(plan *paramPlan, result reflect.Type, void bool) methodDoc {
	doc := methodDoc{ParamStructure: "either", Params: []descriptor{}}
	if plan.whole {
		// OpenRPC can only list parameters one by one, so a method that takes
		// them as one value says so in an extension.
		doc.XParams = schemaOf(plan.typ)
	}
	for _, f := range plan.fields {
		doc.Params = append(doc.Params, descriptor{
			Name: f.name, Description: f.doc, Required: !f.optional, Schema: schemaOf(f.typ),
		})
	}
	required := func(a, b descriptor) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	}
	if !slices.IsSortedFunc(doc.Params, required) {
		// OpenRPC wants required parameters first. Where the struct has them in
		// another order their positions would be wrong, so only names are offered.
		slices.SortStableFunc(doc.Params, required)
		doc.ParamStructure = "by-name"
	}
	doc.Result = descriptor{Name: "result", Schema: &jsonschema.Schema{Type: "null"}}
	if !void {
		doc.Result.Schema = schemaOf(result)
	}
	return doc
}

func describeRaw() methodDoc {
	return methodDoc{
		ParamStructure: "either",
		Params:         []descriptor{},
		XParams:        &jsonschema.Schema{},
		Result:         descriptor{Name: "result", Schema: &jsonschema.Schema{}},
	}
}
