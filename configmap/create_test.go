package configmap

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
)

// twoNodes is a directory with one builder of two nodes.
func twoNodes() Source {
	return Source{Place: "dir", Files: map[string][]byte{
		"kube.json": []byte(`{"Name":"Kube","Driver":"kubernetes","Nodes":[
			{"Name":"a","Endpoint":"kubernetes:///Kube?deployment=a&kubeconfig=","Platforms":[{"os":"linux","architecture":"amd64"},{"os":"linux","architecture":"386"}],"DriverOpts":{"replicas":"2"},"Flags":["--debug"],"Files":{"cni.json":"e30="}},
			{"Name":"kube0","Endpoint":"kubernetes:///Kube?deployment=kube0&kubeconfig="}]}`),
		"notes.txt": []byte("no definition"),
	}}
}

func driverOpts(pairs ...string) DriverOpts {
	o := DriverOpts{Values: make(map[string]string)}
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		o.Values[key] = value
	}
	return o
}

func TestCreateApply(t *testing.T) {
	amd64 := []ocispecs.Platform{{OS: "linux", Architecture: "amd64"}}
	tests := []struct {
		name   string
		create Create
		from   Source
		// key is the file to be written; look finds the one node whose JSON is
		// wanted, by its name.
		key, look, node string
		warnings        []string
	}{
		{
			name: "new", create: Create{Name: "Build", Kubeconfig: "/k", Flags: nil}, from: twoNodes(),
			key: "build", look: "build0",
			node: `{"Name":"build0","Endpoint":"kubernetes:///Build?deployment=build0&kubeconfig=%2Fk","Platforms":null,"DriverOpts":null,"Flags":["--allow-insecure-entitlement=network.host"],"Files":null}`,
		},
		{
			name: "the next free name", create: Create{Name: "kube", Append: true, Flags: []string{"--allow-insecure-entitlement=device"}}, from: twoNodes(),
			key: "kube.json", look: "kube1",
			node: `{"Name":"kube1","Endpoint":"kubernetes:///Kube?deployment=kube1&kubeconfig=","Platforms":null,"DriverOpts":null,"Flags":["--allow-insecure-entitlement=device"],"Files":null}`,
		},
		{
			name: "what is not given stays", create: Create{Name: "kube", Node: "A", Options: driverOpts("image=b:1")}, from: twoNodes(),
			key: "kube.json", look: "a",
			node: `{"Name":"a","Endpoint":"kubernetes:///Kube?deployment=a&kubeconfig=","Platforms":[{"architecture":"amd64","os":"linux"},{"architecture":"386","os":"linux"}],"DriverOpts":{"image":"b:1"},"Flags":["--debug"],"Files":{"cni.json":"e30="}}`,
		},
		{
			name: "files come to those there are", create: Create{Name: "kube", Node: "a", Config: &DaemonConfig{Files: map[string][]byte{"buildkitd.toml": []byte("{}")}}}, from: twoNodes(),
			key: "kube.json", look: "a",
			node: `{"Name":"a","Endpoint":"kubernetes:///Kube?deployment=a&kubeconfig=","Platforms":[{"architecture":"amd64","os":"linux"},{"architecture":"386","os":"linux"}],"DriverOpts":{"replicas":"2"},"Flags":["--debug"],"Files":{"buildkitd.toml":"e30=","cni.json":"e30="}}`,
		},
		{
			name: "a platform changes its node", create: Create{Name: "kube", Node: "b", Append: true, Platforms: amd64}, from: twoNodes(),
			key: "kube.json", look: "a",
			node:     `{"Name":"a","Endpoint":"kubernetes:///Kube?deployment=a&kubeconfig=","Platforms":[{"architecture":"386","os":"linux"}],"DriverOpts":{"replicas":"2"},"Flags":["--debug"],"Files":{"cni.json":"e30="}}`,
			warnings: []string{"node b claims linux/amd64 from now on, which node a did before"},
		},
		{
			name: "a node leaves", create: Create{Name: "kube", Node: "kube0", Leave: true}, from: twoNodes(),
			key: "kube.json", look: "kube0", node: "",
		},
		{
			name: "toml with entitlements", create: Create{Name: "x", Config: &DaemonConfig{Entitlements: []string{"network.host"}}},
			key: "x", look: "x0",
			node: `{"Name":"x0","Endpoint":"kubernetes:///x?deployment=x0&kubeconfig=","Platforms":null,"DriverOpts":null,"Flags":null,"Files":null}`,
		},
		{
			name: "what only the documentation has", create: Create{Name: "x", Options: driverOpts("annotation=a=b", "tolerations=key=a,operator=exists")},
			key: "x", look: "x0",
			node: `{"Name":"x0","Endpoint":"kubernetes:///x?deployment=x0&kubeconfig=","Platforms":null,"DriverOpts":{"annotations":"a=b","tolerations":"key=a,operator=Exists"},"Flags":["--allow-insecure-entitlement=network.host"],"Files":null}`,
		},
		{
			name: "a profile", create: Create{Name: "x", Profile: "user-namespace"},
			key: "x", look: "x0",
			node: `{"Name":"x0","Endpoint":"kubernetes:///x?deployment=x0&kubeconfig=","Platforms":null,"DriverOpts":null,"Flags":["--allow-insecure-entitlement=network.host"],"Files":null,"Slipway":{"profile":"user-namespace"}}`,
		},
		{
			name: "a profile beside other settings", create: Create{Name: "k", Node: "a", Profile: "rootless"},
			from: Source{Files: map[string][]byte{"k": []byte(`{"Name":"k","Driver":"kubernetes","Nodes":[{"Name":"a","Slipway":{"Profile":"privileged","overflow":2}}]}`)}},
			key:  "k", look: "a",
			node: `{"Name":"a","Endpoint":"kubernetes:///k?deployment=a&kubeconfig=","Platforms":null,"DriverOpts":null,"Flags":null,"Files":null,"Slipway":{"overflow":2,"profile":"rootless"}}`,
		},
		{
			name: "the profile stays", create: Create{Name: "k", Node: "a", Options: driverOpts("image=b:1")},
			from: Source{Files: map[string][]byte{"k": []byte(`{"Name":"k","Driver":"kubernetes","Nodes":[{"Name":"a","Slipway":{"profile":"privileged"}}]}`)}},
			key:  "k", look: "a",
			node: `{"Name":"a","Endpoint":"kubernetes:///k?deployment=a&kubeconfig=","Platforms":null,"DriverOpts":{"image":"b:1"},"Flags":null,"Files":null,"Slipway":{"profile":"privileged"}}`,
		},
		{
			name: "remote", create: Create{Name: "far", Host: "tcp://b:1"},
			key: "far", look: "far0",
			node: `{"Name":"far0","Endpoint":"tcp://b:1","Platforms":null,"DriverOpts":null,"Flags":null,"Files":null}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.create.Apply(tt.from)
			if err != nil {
				t.Fatal(err)
			}
			if got.Key != tt.key {
				t.Errorf("written to %q, want %q", got.Key, tt.key)
			}
			// As buildx reads it, which mends nothing.
			var written Instance
			if err := json.Unmarshal(got.Content, &written); err != nil {
				t.Fatalf("what was written is not read: %v", err)
			}
			node := ""
			for _, n := range written.Nodes {
				if n.Name == tt.look {
					text, err := (Instance{Nodes: []InstanceNode{n}}).JSON()
					if err != nil {
						t.Fatal(err)
					}
					node = squeeze(string(text))
				}
			}
			if tt.node != "" {
				tt.node = squeeze(`{"Name":"","Driver":"","Nodes":[` + tt.node + `],"Dynamic":false}`)
			}
			if diff := cmp.Diff(tt.node, node); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tt.warnings, got.Warnings); diff != "" {
				t.Errorf("warnings: %s", diff)
			}
		})
	}
}

// squeeze takes the white space out of JSON that has none in its strings.
func squeeze(text string) string { return strings.Join(strings.Fields(text), "") }

func TestCreateRefuses(t *testing.T) {
	tests := []struct {
		name   string
		create Create
		from   Source
		want   string
	}{
		{"there already", Create{Name: "KUBE"}, twoNodes(), `--name "Kube": is defined already in dir/kube.json`},
		{"no such node", Create{Name: "kube", Node: "c"}, twoNodes(), `--node "c": builder "Kube" has no such node`},
		{"no such builder", Create{Name: "cube", Append: true}, twoNodes(), `--append: builder "cube" is not defined in dir`},
		{"another driver", Create{Name: "kube", Append: true, Driver: "remote"}, twoNodes(), `--driver "remote": builder "Kube" has the driver kubernetes`},
		{"an endpoint", Create{Name: "kube", Append: true, Endpoint: "tcp://u:secret@b:1"}, twoNodes(), `ENDPOINT "tcp://xxxxx:xxxxx@b:1": is not taken by the driver kubernetes`},
		{"the same workload", Create{Name: "kube", Append: true, Node: "KUBE0"}, Source{Place: "dir", Files: map[string][]byte{"k": []byte(`{"Name":"kube","Driver":"kubernetes","Nodes":[{"Name":"a_b"},{"Name":"c","DriverOpts":{"replicas":"x"}}]}`)}}, `dir/k: node c: driver-opt replicas: "x" is not a whole number of at least 1`},
		{"a name that only differs for people", Create{Name: "kube", Append: true, Node: "a-b"}, Source{Place: "dir", Files: map[string][]byte{"k": []byte(`{"Name":"kube","Driver":"kubernetes","Nodes":[{"Name":"a_b"}]}`)}}, `--node: the workload's name would be a-b, which is that of node a_b too`},
		{"defined twice", Create{Name: "kube", Append: true}, Source{Place: "dir", Files: map[string][]byte{
			"a": []byte(`{"Name":"kube","Driver":"kubernetes","Nodes":[{"Name":"a"}]}`),
			"b": []byte(`{"Name":"kube","Driver":"kubernetes","Nodes":[{"Name":"a"}]}`),
		}}, `builder "kube" is defined more than once: in dir/a and in dir/b`},
		{"something else has its place", Create{Name: "notes.txt"}, twoNodes(), `dir/notes.txt is there already and does not define builder "notes.txt"`},
		{"a key of a ConfigMap", Create{Name: "x"}, Source{Place: "configmap ci/builders", Files: map[string][]byte{"x": []byte("no")}}, `configmap ci/builders, key x is there already`},
		{"no such profile", Create{Name: "x", Profile: "rootles"}, Source{}, `--profile: "rootles" is not a profile`},
		{"a profile for a remote node", Create{Name: "x", Driver: "remote", Endpoint: "tcp://a:1", Profile: "rootless"}, Source{}, `--profile: has no meaning with the driver remote`},
		{"bad option", Create{Name: "x", Options: driverOpts("replicas=0")}, Source{}, `--driver-opt replicas: "0" is not a whole number of at least 1`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.create.Apply(tt.from)
			if err == nil {
				t.Fatalf("written: %s", got.Content)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if h, ok := err.(interface{ Hints() []string }); !ok {
				t.Errorf("%T has no hints", err)
			} else if strings.Contains(strings.Join(h.Hints(), ""), "secret") {
				t.Error("a hint holds the password")
			}
		})
	}
}

func TestCreateValidateSaysAllItCan(t *testing.T) {
	fragments, err := ParseDriverOpts([]string{"nodeselector=a=b,pool=ci,timeout=x"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		create Create
		want   []string
	}{
		{"a new builder", Create{Name: "1x", Options: driverOpts("replicas=x", "rootless=maybe")}, []string{"--name: ", "--driver-opt replicas: ", "--driver-opt rootless: "}},
		{"a profile that an option contradicts", Create{Name: "x", Profile: "privileged", Options: driverOpts("rootless=true")}, []string{"--driver-opt rootless: true contradicts the profile privileged"}},
		{"a list without quotes", Create{Name: "x", Options: fragments}, []string{"--driver-opt pool: unknown option", "--driver-opt timeout: "}},
		{"a node of a builder that may be of either driver", Create{Name: "x", Node: "n", Options: driverOpts("timeout=x")}, nil},
		{"a node of a builder that is surely kubernetes", Create{Name: "x", Append: true, Options: driverOpts("timeout=x", "replicas=1")}, []string{"--driver-opt timeout: "}},
		{"remote", Create{Name: "x", Driver: "remote", Endpoint: "ssh://x"}, []string{"ENDPOINT: ssh:// needs a program"}},
		{"remote, changed", Create{Name: "x", Driver: "remote", Node: "n"}, nil},
		{"good", Create{Name: "x", Options: driverOpts("replicas=2")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			err := tt.create.Validate()
			if all := (fault.List)(nil); errors.As(err, &all) {
				for _, one := range all {
					got = append(got, one.Error())
				}
			} else if err != nil {
				t.Fatalf("%T %v", err, err)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tt.want[i]) {
					t.Errorf("got %q, want %q", got[i], tt.want[i])
				}
			}
		})
	}
}
