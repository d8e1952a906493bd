package fleet

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/configmap"
)

// TestPlainRemotesAreWarnedOfOnce has connections that others can read.
func TestPlainRemotesAreWarnedOfOnce(t *testing.T) {
	for _, tt := range []struct {
		remote configmap.Remote
		want   bool
	}{
		{configmap.Remote{Address: "tcp://builder.example:1234"}, true},
		{configmap.Remote{Address: "tcp://10.0.0.1:1234"}, true},
		{configmap.Remote{Address: "tcp://[fd00::1]:1234"}, true},
		{configmap.Remote{Address: "tcp://localhost:1234"}, false},
		{configmap.Remote{Address: "tcp://127.0.0.1:1234"}, false},
		{configmap.Remote{Address: "tcp://[::1]:1234"}, false},
		{configmap.Remote{Address: "unix:///run/buildkit.sock"}, false},
		{configmap.Remote{Address: "tcp://builder.example:1234", CACert: "ca.pem"}, false},
		{configmap.Remote{Address: "tcp://builder.example:1234", ServerName: "b"}, false},
	} {
		if got := isPlain(tt.remote); got != tt.want {
			t.Errorf("%+v: %v", tt.remote, got)
		}
	}
	var log strings.Builder
	c := &Connector{Log: zerolog.New(&log)}
	for range 2 {
		c.warnPlain(configmap.Node{Name: "far", Remote: &configmap.Remote{Address: "tcp://builder.example:1234"}})
	}
	if n := strings.Count(log.String(), "neither encrypted nor authenticated"); n != 1 {
		t.Errorf("warned %d times: %s", n, log.String())
	}
}
