package runner

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// Config is everything that the environment decides. Each field is the variable
// JOURNEYMAN_ plus the field's name in capitals with underscores; PORT and
// HIREFIRE_TOKEN, which platforms and add-ons set, have no prefix. Empty counts as unset.
type Config struct {
	URL             Secret        `split_words:"true" desc:"The broker: redis://, rediss://, amqp:// or amqps:// (for the nodes of a RabbitMQ cluster several, separated by commas). Or http:// or https://, where all services are, with {service} in the place of a name. Wins over the platforms' own variables, such as REDIS_URL."`
	Transport       string        `split_words:"true" desc:"Which to take where several are set: redis (if unset), rabbitmq, or http, which needs no broker."`
	Services        Secret        `split_words:"true" desc:"Over HTTP: where each service is, as calculator=http://host:8080 and so on, separated by commas. What it does not name is where JOURNEYMAN_URL says."`
	Namespace       string        `split_words:"true" desc:"Goes before the names of queues, so that several apps can share a broker. Up to 64 letters, digits, dots, hyphens and underscores."`
	Concurrency     int           `split_words:"true" default:"64" desc:"How many messages a worker handles at once."`
	Drain           time.Duration `split_words:"true" desc:"How long running calls may go on after SIGTERM; 0 hands them back at once. 25s on a platform (less where it kills sooner), 4s elsewhere."`
	Timeout         time.Duration `split_words:"true" default:"25s" desc:"The deadline of calls and jobs that have none of their own."`
	AsyncTimeout    time.Duration `split_words:"true" default:"1h" desc:"How long a call may take whose result is fetched later, with a ticket."`
	AsyncKeep       time.Duration `split_words:"true" default:"1h" desc:"How long its result can be fetched after it has come."`
	MaxMessage      int           `split_words:"true" default:"8388608" desc:"The longest message, in bytes."`
	MaxQueue        int           `split_words:"true" default:"100000" desc:"How many messages may wait for one service; further ones are refused at once."`
	RedisTLS        string        `split_words:"true" desc:"For rediss://: verify (if unset), insecure, or pin: and the SHA-256 of the server's public key in hex."`
	ArticleServices []string      `split_words:"true" desc:"Services, separated by commas, whose workers speak the bare wire: LPUSH a request, BRPOP its id."`
	ArticleMethods  []string      `split_words:"true" desc:"Methods of these services that may be called through web, as calculator.add, or calculator.* for all, separated by commas. Their workers cannot tell which are public."`
	Hosts           []string      `split_words:"true" desc:"The names by which web may be called, separated by commas; * is any. If unset: localhost on a loopback address, elsewhere any."`
	Origins         []string      `split_words:"true" desc:"Sites, separated by commas, whose pages may call web from a browser, and send forms to its apps, as https://app.example.com."`
	MaxBody         int           `split_words:"true" default:"1048576" desc:"The longest body that web takes, in bytes; JOURNEYMAN_MAX_MESSAGE bounds it, too."`
	MaxBatch        int           `split_words:"true" default:"50" desc:"How many requests a batch may hold that comes through web."`
	Bind            string        `split_words:"true" desc:"The IP address on which web listens, and over HTTP a service. Every address on a platform, 127.0.0.1 elsewhere."`
	HirefireToken   Secret        `envconfig:"HIREFIRE_TOKEN" desc:"HireFire's token, with which it may ask web how long messages wait for each service. Unset, nothing answers it."`
	HirefireMetric  string        `split_words:"true" default:"latency" desc:"What HireFire is told: latency, in seconds, or size, the number of messages that wait. RabbitMQ tells no latency, so there it is always size."`
	PublicApps      []string      `split_words:"true" desc:"Web apps, separated by commas, that everybody may open through web; the others ask for a key or a token, as the password."`
	APIKeys         []Secret      `split_words:"true" desc:"Keys, separated by commas, that open every public method to callers of web, and over HTTP all services; ours show the first. On a platform web needs one, or another credential."`
	APIKeyHashes    []Secret      `split_words:"true" desc:"Keys of callers of web, of which only the hash is kept: NAME:SHA256 or NAME:SHA256:SCOPE SCOPE, separated by commas, as the command key prints them. Two of one name, with the same scopes, are for changing a key."`
	JWTSecret       []Secret      `split_words:"true" desc:"Secrets of at least 32 bytes, separated by commas, with any of which tokens (JWT, HS256) of callers of web are signed."`
	JWKS            string        `split_words:"true" desc:"The public keys of the identity provider whose tokens (JWT) callers of web may show: a https:// URL, or a file. Needs the issuer and the audience."`
	JWTIssuer       string        `split_words:"true" desc:"What tokens must say in iss."`
	JWTAudience     string        `split_words:"true" desc:"What tokens must say in aud."`
	PrincipalKeys   []Secret      `split_words:"true" desc:"Secrets of at least 32 bytes, separated by commas, the same for every process. With the first web signs who calls, with each of them services verify it. Without one they are not told, and methods with a scope refuse all callers of web."`
	RateLimit       float64       `split_words:"true" default:"0" desc:"How many calls per second one caller of web may make, for each process; a batch counts its members. 0 is any number."`
	LogLevel        slog.Level    `split_words:"true" default:"info" desc:"debug, info, warn or error."`
	LogFormat       string        `split_words:"true" default:"auto" desc:"text (logfmt), json, pretty, or auto: pretty on a terminal, otherwise text."`
	Port            int           `envconfig:"PORT" default:"5000" desc:"Where web listens, and over HTTP a service."`
}

// A setting is one field of Config as an operator sees it.
type setting struct {
	Name        string `json:"name"`
	Value       string `json:"value"` // redacted
	Source      string `json:"source"`
	Default     string `json:"default"`
	Description string `json:"description"`
}

// readConfig fills a Config from the process environment and returns every fault
// at once. envconfig (1.4.0) stops at its first fault, takes an empty variable
// for a value and quotes secrets in its errors; so it is given one field at a
// time, no empty variables, and its errors are replaced.
func readConfig() (c Config, settings []setting, faults []string) {
	fields := reflect.ValueOf(&c).Elem()
	broken := map[string]bool{}
	for i := range fields.NumField() {
		field := fields.Type().Field(i)
		prefix, name := variable(field)
		s := setting{Name: name, Source: "default", Default: field.Tag.Get("default"), Description: field.Tag.Get("desc")}
		raw, set := os.LookupEnv(name)
		switch {
		case set && strings.TrimSpace(raw) == "":
			os.Unsetenv(name)
		case set:
			s.Source = "environment"
		}

		one := reflect.New(reflect.StructOf([]reflect.StructField{field}))
		if err := envconfig.Process(prefix, one.Interface()); err != nil {
			faults = append(faults, fmt.Sprintf("%s is %q, want %s", name, raw, wanted(field.Type)))
			broken[name] = true
			s.Value = raw // numbers, durations and levels alone can fail so; none is a secret
		} else {
			fields.Field(i).Set(one.Elem().Field(0))
			s.Value = shown(fields.Field(i).Interface())
		}
		settings = append(settings, s)
	}
	for _, name := range c.trim() { // whoever wrote the commas believes the gateway locked
		faults = append(faults, name+" holds commas and no key, want keys, separated by commas")
		broken[name] = true
	}
	for _, f := range c.check() {
		if !broken[f.name] {
			faults = append(faults, fmt.Sprintf("%s is %q, want %s", f.name, shown(f.value), f.want))
		}
		broken[f.name] = true
	}
	for i := range settings {
		if broken[settings[i].Name] {
			settings[i].Value += " (invalid)"
		}
	}
	return c, settings, faults
}

// variable returns the prefix under which envconfig looks for a field and the
// whole name, as the library itself makes it. A field with a name of its own has
// no prefix: envconfig would otherwise look for JOURNEYMAN_PORT first.
func variable(field reflect.StructField) (prefix, name string) {
	if field.Tag.Get("envconfig") == "" {
		prefix = "JOURNEYMAN"
	}
	var b strings.Builder
	one := reflect.New(reflect.StructOf([]reflect.StructField{field}))
	if err := envconfig.Usagef(prefix, one.Interface(), &b, "{{range .}}{{usage_key .}}{{end}}"); err != nil {
		panic(err) // the template above is wrong
	}
	return prefix, b.String()
}

// wanted says what a value of type t looks like.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a duration such as 25s or 2m"
	case reflect.TypeFor[slog.Level]():
		return "debug, info, warn or error"
	case reflect.TypeFor[float64]():
		return "a number"
	}
	return "a whole number"
}

// shown returns a value as people may see it.
func shown(v any) string {
	switch v := v.(type) {
	case []string:
		return strings.Join(v, ",")
	case []Secret:
		if len(v) == 0 {
			return ""
		}
		return fmt.Sprintf("%s (%d)", redacted, len(v))
	}
	return fmt.Sprint(v)
}

// trim drops the blanks and empty members of lists: "a, b," is two services. It returns
// the names of lists of secrets of which nothing is left.
func (c *Config) trim() (emptied []string) {
	for _, list := range []*[]string{&c.ArticleServices, &c.ArticleMethods, &c.Hosts, &c.Origins, &c.PublicApps} {
		trim(list)
	}
	for _, list := range []struct {
		name    string
		secrets *[]Secret
	}{
		{"JOURNEYMAN_API_KEYS", &c.APIKeys},
		{"JOURNEYMAN_API_KEY_HASHES", &c.APIKeyHashes},
		{"JOURNEYMAN_JWT_SECRET", &c.JWTSecret},
		{"JOURNEYMAN_PRINCIPAL_KEYS", &c.PrincipalKeys},
	} {
		before := len(*list.secrets)
		if trim(list.secrets); before > 0 && len(*list.secrets) == 0 {
			emptied = append(emptied, list.name)
		}
	}
	return emptied
}

func trim[S ~string](list *[]S) {
	for i, s := range *list {
		(*list)[i] = S(strings.TrimSpace(string(s)))
	}
	*list = slices.DeleteFunc(*list, func(s S) bool { return s == "" })
}

// The forms that the Redis transport takes; every fault of a configuration is to
// be told at once, and the transport would tell of its first one alone.
var (
	namespaceForm = regexp.MustCompile(`^[A-Za-z0-9._-]{0,64}$`)
	tlsForm       = regexp.MustCompile(`^(|verify|insecure|pin:([0-9A-Fa-f]:?){64})$`)
)

// A token that stands in a path.
var tokenForm = regexp.MustCompile(`^[A-Za-z0-9._-]*$`)

// longestAsync bounds what can be asked of a broker to keep. It is as long as workers on
// RabbitMQ may take for a message.
const longestAsync = 7 * 24 * time.Hour

type fault struct {
	name  string
	value any
	want  string
}

// check returns what parses and cannot work.
func (c *Config) check() (faults []fault) {
	demand := func(ok bool, name string, value any, want string) {
		if !ok {
			faults = append(faults, fault{name, value, want})
		}
	}
	demand(c.Transport == "" || slices.Contains([]string{onRedis, onRabbitMQ, overHTTP}, c.Transport), "JOURNEYMAN_TRANSPORT", c.Transport, "redis, rabbitmq or http")
	demand(namespaceForm.MatchString(c.Namespace), "JOURNEYMAN_NAMESPACE", c.Namespace, "up to 64 letters, digits, dots, hyphens and underscores")
	demand(tlsForm.MatchString(c.RedisTLS), "JOURNEYMAN_REDIS_TLS", c.RedisTLS, "verify, insecure, or pin: and the 64 hexadecimal digits of a SHA-256")
	demand(c.Concurrency >= 1, "JOURNEYMAN_CONCURRENCY", c.Concurrency, "1 or more")
	demand(c.Drain >= 0, "JOURNEYMAN_DRAIN", c.Drain, "0 or more")
	demand(c.Timeout > 0, "JOURNEYMAN_TIMEOUT", c.Timeout, "more than 0")
	demand(c.AsyncTimeout >= time.Second && c.AsyncTimeout <= longestAsync, "JOURNEYMAN_ASYNC_TIMEOUT", c.AsyncTimeout, "1s to 168h")
	demand(c.AsyncKeep >= time.Second && c.AsyncKeep <= longestAsync, "JOURNEYMAN_ASYNC_KEEP", c.AsyncKeep, "1s to 168h")
	demand(c.MaxMessage >= 1024, "JOURNEYMAN_MAX_MESSAGE", c.MaxMessage, "1024 bytes or more")
	demand(c.MaxQueue >= 1, "JOURNEYMAN_MAX_QUEUE", c.MaxQueue, "1 or more")
	demand(c.Bind == "" || net.ParseIP(c.Bind) != nil, "JOURNEYMAN_BIND", c.Bind, "an IP address such as 0.0.0.0 or ::1")
	demand(slices.Contains([]string{"auto", "text", "json", "pretty"}, c.LogFormat), "JOURNEYMAN_LOG_FORMAT", c.LogFormat, "auto, text, json or pretty")
	demand(tokenForm.MatchString(string(c.HirefireToken)), "HIREFIRE_TOKEN", c.HirefireToken, "letters, digits, dots, hyphens and underscores, since it stands in a path")
	demand(slices.Contains([]string{"latency", "size"}, c.HirefireMetric), "JOURNEYMAN_HIREFIRE_METRIC", c.HirefireMetric, "latency or size")
	demand(c.Port >= 0 && c.Port <= 65535, "PORT", c.Port, "0 to 65535")
	demand(c.MaxBody >= 1024, "JOURNEYMAN_MAX_BODY", c.MaxBody, "1024 bytes or more")
	demand(c.MaxBatch >= 1 && c.MaxBatch <= jsonrpc.MaxBatch, "JOURNEYMAN_MAX_BATCH", c.MaxBatch, fmt.Sprintf("1 to %d", jsonrpc.MaxBatch))
	for _, origin := range c.Origins {
		demand(http.NewCrossOriginProtection().AddTrustedOrigin(origin) == nil, "JOURNEYMAN_ORIGINS", origin, "origins such as https://app.example.com")
	}
	for _, name := range c.ArticleMethods {
		service, method, _ := strings.Cut(name, ".")
		demand(slices.Contains(c.ArticleServices, service) && method != "", "JOURNEYMAN_ARTICLE_METHODS", name, "SERVICE.METHOD of a service in JOURNEYMAN_ARTICLE_SERVICES")
	}
	for _, name := range c.PublicApps {
		demand(transports.CheckName(name) == nil, "JOURNEYMAN_PUBLIC_APPS", name, "names of 1 to 24 letters a-z")
	}
	for _, name := range c.ArticleServices {
		demand(transports.CheckName(name) == nil, "JOURNEYMAN_ARTICLE_SERVICES", name, "names of 1 to 24 letters a-z")
	}
	return append(faults, c.checkCredentials()...)
}
