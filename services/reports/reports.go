// Package reports is the example of a web app that no browser can reach: plain net/http
// with a form, a redirect and a file. It knows nothing of the gateway in front of it, nor
// of the path under which that shows it, as its links are relative.
package reports

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/journeyman-go/journeyman/client"
)

//go:embed page.html
var files embed.FS

type app struct {
	page       *template.Template
	statistics *client.Client
}

// New returns the app. statistics reaches the service that computes.
func New(statistics *client.Client) http.Handler {
	a := &app{template.Must(template.ParseFS(files, "page.html")), statistics}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.form)
	mux.HandleFunc("POST /{$}", a.submit)
	mux.HandleFunc("GET /report", a.result)
	mux.HandleFunc("GET /report.csv", a.download)
	return mux
}

// A report is what stands in its URL and what follows from that. So any process can
// answer any request, and answer it again.
type report struct {
	Values []float64
	Mean   float64
	Given  string // the values as they were typed
}

// form is the first page.
func (a *app) form(w http.ResponseWriter, _ *http.Request) { a.show(w, nil) }

// submit takes the form and leads to the report, which may be reloaded and bookmarked.
func (a *app) submit(w http.ResponseWriter, r *http.Request) {
	query := url.Values{"values": {r.FormValue("values")}}
	http.Redirect(w, r, "/report?"+query.Encode(), http.StatusSeeOther)
}

func (a *app) result(w http.ResponseWriter, r *http.Request) {
	if report := a.report(w, r); report != nil {
		a.show(w, report)
	}
}

// download is the report for a spreadsheet.
func (a *app) download(w http.ResponseWriter, r *http.Request) {
	report := a.report(w, r)
	if report == nil {
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="report.csv"`)
	for i, v := range report.Values {
		fmt.Fprintf(w, "%d,%v\r\n", i+1, v)
	}
	fmt.Fprintf(w, "mean,%v\r\n", report.Mean)
}

// report computes what is asked for. If it returns nil, it has answered.
func (a *app) report(w http.ResponseWriter, r *http.Request) *report {
	out := &report{Given: r.FormValue("values")}
	for word := range strings.FieldsSeq(out.Given) {
		v, err := strconv.ParseFloat(word, 64)
		if err != nil {
			http.Error(w, fmt.Sprintf("%q is no number", word), http.StatusBadRequest)
			return nil
		}
		out.Values = append(out.Values, v)
	}
	if err := a.statistics.Call(r.Context(), "mean", [][]float64{out.Values}, &out.Mean); err != nil {
		http.Error(w, "there is no mean: "+err.Error(), http.StatusBadGateway)
		return nil
	}
	return out
}

// show writes the page. Nothing can go wrong but the connection.
func (a *app) show(w http.ResponseWriter, r *report) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = a.page.Execute(w, r)
}
