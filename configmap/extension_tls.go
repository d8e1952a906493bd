package configmap

import (
	"path/filepath"

	"k8s.io/apimachinery/pkg/util/validation"
)

// tlsFields are the keys below "Slipway.tls".
func tlsFields() []field[TLS] {
	name := func(target func(*TLS) *string) func(*TLS, any, report) {
		return func(t *TLS, v any, r report) {
			if readString(target(t), v, r) {
				r.badAll("cannot be such a name", validation.IsDNS1123Subdomain(*target(t)))
			}
		}
	}
	return []field[TLS]{
		{
			name: "serverSecret", form: "name of a Secret", schema: schemaOf("string"),
			doc:  "The Secret with buildkitd's certificate, of type `kubernetes.io/tls` with the keys `ca.crt` (who may sign clients), `tls.crt` and `tls.key`. Slipway then makes none. It needs `clientSecret` or `clientDir` beside it.",
			read: name(func(t *TLS) *string { return &t.ServerSecret }),
		},
		{
			name: "clientSecret", form: "name of a Secret", schema: schemaOf("string"),
			doc:  "The Secret with the agent's certificate, with the same keys. Only beside `serverSecret`.",
			read: name(func(t *TLS) *string { return &t.ClientSecret }),
		},
		{
			name: "serverName", form: "DNS name", schema: schemaOf("string"),
			doc:  "The name that buildkitd's certificate bears. Default `buildkitd.<workload>.<namespace>`.",
			read: name(func(t *TLS) *string { return &t.ServerName }),
		},
		{
			name: "clientDir", form: "an absolute path on the agent", schema: schemaOf("string"),
			doc: "A directory with the agent's certificate, such as a mounted Secret: `ca.crt`, `tls.crt` and `tls.key`, or `ca.pem`, `cert.pem` and `key.pem`. The agent then needs no right to read Secrets.",
			read: func(t *TLS, v any, r report) {
				if readString(&t.ClientDir, v, r) && !filepath.IsAbs(t.ClientDir) {
					r.bad("%q is not an absolute path", t.ClientDir)
				}
			},
		},
	}
}

func readTLS(value any, r report) (TLS, bool) {
	var t TLS
	readObject(tlsFields(), &t, value, r)
	switch {
	case t.ServerSecret != "" && t.ClientSecret == "" && t.ClientDir == "":
		r.bad("serverSecret needs clientSecret or clientDir beside it: nobody else has a certificate that this server accepts")
	case t.ServerSecret == "" && t.ClientSecret != "":
		r.hinting("leave both out to have them made").bad("clientSecret is of use only beside serverSecret")
	case t.ClientSecret != "" && t.ClientDir != "":
		r.bad("clientSecret and clientDir exclude each other")
	}
	return t, true
}
