package configmap

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseDriverOpts(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		want   map[string]string
		wrong  string
	}{
		{"none", nil, nil, ""},
		{"two in one", []string{"namespace=buildkit,replicas=4"}, map[string]string{"namespace": "buildkit", "replicas": "4"}, ""},
		{"the documentation's", []string{`"nodeselector=label1=value1,label2=value2","tolerations=key=key1,value=value1"`}, map[string]string{"nodeselector": "label1=value1,label2=value2", "tolerations": "key=key1,value=value1"}, ""},
		{"quotes inside", []string{`"annotations=a=""b"""`}, map[string]string{"annotations": `a="b"`}, ""},
		{"quotes around the value", []string{`env.no_proxy='a,b',replicas=2`}, map[string]string{"env.no_proxy": "a,b", "replicas": "2"}, ""},
		{"double quotes around the value", []string{`replicas=2,env.no_proxy="a,b"`}, map[string]string{"env.no_proxy": "a,b", "replicas": "2"}, ""},
		{"the documentation's with quotes inside", []string{`"env.no_proxy='a,b'"`}, map[string]string{"env.no_proxy": "a,b"}, ""},
		{"single quotes around the field", []string{`'env.no_proxy=a,b',replicas=2`}, map[string]string{"env.no_proxy": "a,b", "replicas": "2"}, ""},
		{"quotes around a list", []string{`nodeselector='a=b,c=d'`}, map[string]string{"nodeselector": "a=b,c=d"}, ""},
		{"a quote in a value", []string{`env.A=it's,env.B='x' y,env.C=''`}, map[string]string{"env.A": "it's", "env.B": "'x' y", "env.C": ""}, ""},
		{"a quoted field with a comma and a quote", []string{`"env.A=a"",b",env.B=c`}, map[string]string{"env.A": `a",b`, "env.B": "c"}, ""},
		{"a list without quotes", []string{"env.no_proxy=a,b"}, nil, `"b": is not of the form`},
		{"an open quote in a value", []string{`env.A='a,b`}, nil, `"b": is not of the form`},
		{"the last counts", []string{"replicas=1", "replicas=2"}, map[string]string{"replicas": "2"}, ""},
		{"empty value", []string{"image="}, map[string]string{"image": ""}, ""},
		{"no value", []string{"rootless"}, nil, `"rootless": is not of the form key=value`},
		{"no key", []string{"=x"}, nil, `"=x": is not of the form`},
		{"open quote", []string{`"nodeselector=a=b`}, nil, "is not a list of key=value"},
		{"a secret with an open quote", []string{`"env.TOKEN=hidden`}, nil, "--driver-opt: is not a list of key=value"},
		{"nothing", []string{""}, nil, "is not a list of key=value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseDriverOpts(tt.values)
			if (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
				t.Fatalf("error %v, want %q", err, tt.wrong)
			}
			if err == nil {
				if diff := cmp.Diff(tt.want, got.Values); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestSecretsAmongDriverOpts(t *testing.T) {
	got := driverOpts("image=token", "env.NPM_TOKEN=x", "env.aws_secret_access_key=x", "env.HTTP_PROXY=http://user:pass@proxy:1", "env.HTTPS_PROXY=http://proxy:1", "env.KEYRING=x", "env.DB_PASSWORD=x").Secrets()
	if diff := cmp.Diff([]string{"env.DB_PASSWORD", "env.HTTP_PROXY", "env.NPM_TOKEN", "env.aws_secret_access_key"}, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzCreate makes a builder of any options. What is written is what the
// loader reads; what it refuses is not written.
func FuzzCreate(f *testing.F) {
	f.Add("kube", `namespace=a,"nodeselector=a=b,c=d"`, "--debug '--x y'")
	f.Add("K-1", `env.A=<&>,annotations=a=b`, "")
	f.Add("x", "tolerations=operator=exists", "\xff")
	f.Add("y", "env.A=\x7f\u0085\ufffe", "--debug=\x7f\u0080\ufeff")
	f.Fuzz(func(t *testing.T, name, opts, flags string) {
		parsed, err := ParseDriverOpts([]string{opts})
		if err != nil {
			return
		}
		words, err := ParseDaemonFlags(flags)
		if err != nil {
			return
		}
		made, err := Create{Name: name, Options: parsed, Flags: words}.Apply(Source{})
		if err != nil {
			return
		}
		if made.Definition.Name != name {
			t.Errorf("builder %q is written as %q", name, made.Definition.Name)
		}
		again, _, err := ReadInstances("again", made.Content)
		if err != nil {
			t.Fatalf("%s is not read: %v", made.Content, err)
		}
		text, err := again[0].JSON()
		if err != nil {
			t.Fatal(err)
		}
		yaml, err := again[0].YAML()
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := ReadInstances("yaml", yaml)
		if err != nil {
			t.Fatalf("the YAML is not read: %v\n%s", err, yaml)
		}
		if diff := cmp.Diff(again, back); diff != "" {
			t.Errorf("JSON and YAML differ: %s", diff)
		}
		settled, _, err := ReadInstances("settled", text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(again, settled); diff != "" {
			t.Errorf("it changes each time: %s", diff)
		}
	})
}
