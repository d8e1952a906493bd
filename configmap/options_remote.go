package configmap

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// defaultRemoteTimeout is how long buildx waits for the first answer.
const defaultRemoteTimeout = 20 * time.Second

// remoteOptions are the options of the driver remote, those of buildx 0.38 and
// one more.
func remoteOptions() []option[Remote] {
	path := func(name, doc string, target func(*Remote) *string) option[Remote] {
		return option[Remote]{
			name: name, form: "an absolute path on the agent", example: "/etc/buildkit-client/" + name + ".pem", doc: doc,
			read: func(into *Remote, _, v string, r report) {
				if !filepath.IsAbs(v) {
					r.bad("%q is not an absolute path", v)
				}
				*target(into) = v
			},
		}
	}
	return []option[Remote]{
		path("cacert", "The certificate authority that signed buildkitd's certificate. Given any of the TLS options, this one is needed.", func(m *Remote) *string { return &m.CACert }),
		path("cert", "The client certificate.", func(m *Remote) *string { return &m.Cert }),
		path("key", "The key of the client certificate.", func(m *Remote) *string { return &m.Key }),
		{
			name: "servername", form: "a host name", example: "buildkitd.example.com", standard: "the endpoint's host",
			doc:  "The name that buildkitd's certificate must bear.",
			read: func(into *Remote, _, v string, _ report) { into.ServerName = v },
		},
		{
			name: "default-load", form: "true or false", example: "true", standard: "false", bare: bareBool,
			doc:  "Asks for an output of `type=docker` when a build names none.",
			read: func(into *Remote, _, v string, r report) { readBool(&into.DefaultLoad, v, r) },
		},
		{
			name: "timeout", form: "a duration of more than zero", example: "1m", standard: seconds(defaultRemoteTimeout),
			doc: "How long to wait for the first answer. buildx does not know this option and refuses the definition.",
			read: func(into *Remote, _, v string, r report) {
				r.warn("is slipway's own; buildx refuses a definition that has it")
				readTimeout(&into.Timeout, v, r)
			},
		},
	}
}

// remote reads what belongs to the driver remote.
func (n rawNode) remote() *Remote {
	r := n.report
	m := &Remote{Address: n.endpoint, Timeout: defaultRemoteTimeout}
	checkAddress(n.endpoint, r.key("Endpoint").hinting("write it like tcp://buildkitd.example.com:1234 or unix:///run/buildkit/buildkitd.sock"))
	readOptions(remoteOptions(), m, n.options, r)
	_, named := n.options["servername"]
	if named || m.CACert != "" || m.Cert != "" || m.Key != "" {
		m.checkTLS(r)
	}
	if len(n.flags) > 0 {
		r.key("Flags").bad("the driver remote does not start buildkitd and so cannot give it flags")
	}
	if len(n.files) > 0 {
		r.key("Files").bad("the driver remote does not start buildkitd and so cannot give it files")
	}
	n.slipway.refuseWithoutWorkload(DriverRemote, r.key("Slipway"))
	return m
}

func checkAddress(endpoint string, r report) {
	scheme, _, ok := strings.Cut(endpoint, "://")
	if endpoint == "" || !ok {
		r.bad("the driver remote needs a tcp:// or unix:// address here")
		return
	}
	// No message repeats the address as a whole: somebody may have put a
	// password into it.
	address, err := url.Parse(endpoint)
	if err != nil {
		r.bad("is not a valid address")
		return
	}
	switch scheme {
	case "tcp":
		host, port, err := net.SplitHostPort(address.Host)
		number, portErr := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || portErr != nil || number == 0 || address.User != nil ||
			strings.Trim(address.Path, "/") != "" || address.RawQuery != "" || address.Fragment != "" {
			r.bad("%q is not of the form tcp://host:port", "tcp://"+address.Host+address.Path)
		}
	case "unix":
		if address.Host != "" || !filepath.IsAbs(address.Path) {
			r.bad("%q is not of the form unix:///path", "unix://"+address.Host+address.Path)
		}
	case "docker-container", "kube-pod", "ssh", "npipe":
		r.bad("%s:// needs a program beside slipway on the agent; tcp:// and unix:// work here", scheme)
	default:
		r.bad("%s:// is not an address that works here; tcp:// and unix:// are", scheme)
	}
}

// checkTLS tells now what would otherwise stop the build at its first
// connection. Private keys are looked at and not kept. What can be read only
// once is left to the connection.
func (m *Remote) checkTLS(r report) {
	option := func(name string) report { r.option = "driver-opt " + name; return r }
	if m.CACert == "" {
		option("cacert").bad("is missing: TLS needs it")
	} else if filepath.IsAbs(m.CACert) && !isStream(m.CACert) {
		if pem, err := os.ReadFile(m.CACert); err != nil {
			option("cacert").hinting("mount the certificates into the agent").unreadable(m.CACert, err)
		} else if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			option("cacert").bad("%s holds no certificate in PEM form", m.CACert)
		}
	}
	switch {
	case m.Cert != "" && m.Key == "":
		option("key").bad("is missing: cert is given")
	case m.Key != "" && m.Cert == "":
		option("cert").bad("is missing: key is given")
	case m.Cert != "":
		m.checkPair(option)
	}
	if m.ServerName == "" && strings.HasPrefix(m.Address, "unix://") {
		option("servername").bad("is missing: a unix socket has no host name to check the certificate against")
	}
}

func (m *Remote) checkPair(option func(string) report) {
	var content [2][]byte
	for i, one := range []struct{ name, path string }{{"cert", m.Cert}, {"key", m.Key}} {
		if !filepath.IsAbs(one.path) {
			return // said before
		}
		if isStream(one.path) {
			return
		}
		data, err := os.ReadFile(one.path)
		if err != nil {
			option(one.name).hinting("mount the certificates into the agent").unreadable(one.path, err)
			continue
		}
		content[i] = data
	}
	if content[0] == nil || content[1] == nil {
		return
	}
	if _, err := tls.X509KeyPair(content[0], content[1]); err != nil {
		option("cert").bad("%s and %s are no pair of certificate and key: %v", m.Cert, m.Key, err)
	}
}

// isStream reports whether a path is that of a pipe or a device.
func isStream(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && !info.Mode().IsRegular()
}
