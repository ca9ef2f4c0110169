package tracing

import (
	"context"
	"crypto/rand"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	conventions "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// schema is the version of OpenTelemetry's conventions that names are taken from.
const schema = conventions.SchemaURL

// describe returns what all spans of the process have in common. What Heroku tells of
// itself (with "heroku labs:enable runtime-dyno-metadata") goes where the conventions have
// it, but for the name of the app: service.name is the process type, so that is the
// namespace. OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME win over all of it.
func describe(p Process, getenv func(string) string) *resource.Resource {
	// It has to be unique, and the instance's name is not: during a deploy there are two.
	own := []attribute.KeyValue{
		conventions.ServiceName(p.Service),
		conventions.ServiceInstanceID(p.Instance + "-" + rand.Text()[:8]),
		conventions.ServiceVersion(p.Version),
	}
	for _, v := range []struct {
		variable  string
		attribute attribute.Key
	}{
		{"HEROKU_APP_NAME", conventions.ServiceNamespaceKey},
		{"HEROKU_APP_ID", conventions.HerokuAppIDKey},
		{"HEROKU_DYNO_ID", conventions.ServiceInstanceIDKey},
		{"HEROKU_RELEASE_VERSION", conventions.ServiceVersionKey},
		{"HEROKU_SLUG_COMMIT", conventions.HerokuReleaseCommitKey},
		{"HEROKU_RELEASE_CREATED_AT", conventions.HerokuReleaseCreationTimestampKey},
	} {
		if value := getenv(v.variable); value != "" {
			own = append(own, v.attribute.String(value)) // of two with one name the last counts
		}
	}
	if getenv("HEROKU_APP_ID") != "" {
		own = append(own, conventions.CloudProviderHeroku)
	}
	// The one error is for OTEL_RESOURCE_ATTRIBUTES that cannot be read; the provider reads it
	// too, and tells.
	described, _ := resource.New(context.Background(), resource.WithTelemetrySDK(), resource.WithAttributes(own...), resource.WithFromEnv())
	return described
}
