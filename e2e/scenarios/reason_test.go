package scenarios

import (
	"strings"
	"testing"
)

// TestReasonsAreTold is what a user sees when a builder cannot start: the words
// of whoever refuses, long before the timeout.
func TestReasonsAreTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		before func(s *space)
		node   func(s *space, n *node)
		code   int
		words  []string
	}{
		{
			name: "quota",
			before: func(s *space) {
				s.kubectl("", "create", "quota", "small", "--hard=pods=1") // the agent is the one
			},
			code: 3, words: []string{"exceeded quota: small"},
		},
		{
			name: "admission",
			before: func(s *space) {
				s.kubectl("", "label", "namespace", s.Name, "pod-security.kubernetes.io/enforce=baseline")
			},
			code: 3, words: []string{"violates PodSecurity", "privileged"},
		},
		{
			name: "crash",
			// One line of its own: buildkitd's are a help text or a stack,
			// and which line of them comes last is not settled.
			node: func(_ *space, n *node) {
				n.Slipway = map[string]any{"podTemplate": map[string]any{"spec": map[string]any{"containers": []any{
					map[string]any{"name": "buildkitd", "command": []string{"sh", "-c", "echo broken on purpose >&2; exit 1"}, "args": []string{}},
				}}}}
			},
			code: 3, words: []string{"builder-amd64", "container buildkitd ends soon after each start", "exit code 1): broken on purpose"},
		},
		{
			name: "namespace",
			node: func(s *space, n *node) { n.DriverOpts["namespace"] = s.Name + "-typo" },
			// Its rights end at its own namespace, so that is what it is told.
			code: 3, words: []string{"-typo", "kind: Role"},
		},
		{
			name: "pod template",
			node: func(_ *space, n *node) {
				n.Slipway = map[string]any{"podTemplate": map[string]any{"spec": map[string]any{"priorityClassName": "no-such-class"}}}
			},
			code: 3, words: []string{"no-such-class"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t, "slipway-build", "slipway-manage")
			n := s.builderNode("amd64", ownTimeout())
			if tt.node != nil {
				tt.node(s, &n)
			}
			s.define(n)
			a := s.startAgent("agent", s.Bed.Images.Agent)
			a.write("Dockerfile", smallDockerfile)
			if tt.before != nil {
				tt.before(s)
			}
			r := a.fails(tt.code, "slipway build -o out .", append(tt.words, "error: ")...)
			r.beforeTimeout(t)
		})
	}
}

func TestFilesOfADefinitionAreMounted(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64")
	n.Files = map[string][]byte{
		"buildkitd.toml":              []byte("[worker.oci]\n  max-parallelism = 3\n"),
		"certs/registry.test/ca.pem":  []byte("public\n"),
		"certs/registry.test/key.pem": []byte("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"),
	}
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.ok("slipway up >&2")
	inPod := func(path string) string {
		return s.kubectl("", "exec", "deployment/builder-amd64", "--", "cat", "/etc/buildkit/"+path)
	}
	for path, content := range n.Files {
		want(t, path, inPod(path), string(content))
	}
	if configMaps := s.kubectl("", "get", "configmaps", "--selector=app=builder-amd64", "-o", "yaml"); strings.Contains(configMaps, "PRIVATE KEY") || !strings.Contains(configMaps, "max-parallelism") {
		t.Errorf("the private key must be in a Secret, the rest in ConfigMaps:\n%s", configMaps)
	}
}
