package configmap

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestLines tests the lines of mistakes in the forms that a definition has.
func TestLines(t *testing.T) {
	const long = `Name: kube
Driver: kubernetes
Nodes:
  - Name: a
    DriverOpts: &opts
      replicas: x
  - Name: b
    DriverOpts: *opts
    Platforms: [linux/amd64, linux/none/x/y]
`
	for _, tt := range []struct {
		name, data string
		want       []string
	}{
		{"compact JSON, as buildx writes it", `{"Name":"kube","Driver":"kubernetes","Nodes":[{"Name":"a","DriverOpts":{"replicas":"x"}}]}`, []string{"f:1: node a: driver-opt replicas"}},
		{"JSON with tabs", "{\n\t\"Name\": \"kube\",\n\t\"Driver\": \"kubernetes\",\n\t\"Nodes\": [\n\t\t{\"Name\": \"a\"},\n\t\t{\"Name\": \"b\", \"Nme\": 1}\n\t]\n}", []string{"f:6: node b: Nme"}},
		{"keys in another case", "{\n\"name\":\"kube\",\"driver\":\"kubernetes\",\n\"nodes\":[{\n\"name\":\"a\",\n\"driveropts\":{\n\"replicas\":\"x\"}}]}", []string{"f:6: node a: driver-opt replicas"}},
		{"YAML, with an alias", long, []string{"f:9: node b: Platforms[1]", "f:6: node a: driver-opt replicas", "f:6: node b: driver-opt replicas"}},
		{"Windows", "\ufeff" + strings.ReplaceAll(long, "\n", "\r\n"), []string{"f:9: node b: Platforms[1]", "f:6: node a: driver-opt replicas", "f:6: node b: driver-opt replicas"}},
		{"what is absent is missed where it should be", "Name: kube\nDriver: kubernetes\n\nNodes:\n  - Platforms: [linux/amd64]\n", []string{"f:5: node #1: Name"}},
		{"a name with dots", "Name: kube\nDriver: kubernetes\nNodes:\n- Name: a\n  DriverOpts:\n    requests.cpu: 1\n    requests.memory: x\n", []string{"f:7: node a: driver-opt requests.memory"}},
		{"the second document of YAML", "---\nName: one\nDriver: kubernetes\nNodes: [{Name: a}]\n---\nName: two\nDriver: nope\nNodes: [{Name: a}]\n", []string{"f:7: Driver"}},
		{"the second document of JSON", minimal("one") + "\n\n{\"Name\":\"two\",\n\"Driver\":\"nope\",\"Nodes\":[{\"Name\":\"a\"}]}", []string{"f:4: Driver"}},
		{"YAML that begins like JSON", "{Name: kube, Driver: kubernetes,\n Nodes: [{Name: a,\n DriverOpts: {replicas: x}}]}", []string{"f:3: node a: driver-opt replicas"}},
		{"a file as a whole", "[]", []string{"f: is not a builder definition"}},
		{"syntax, which says its own line", "{\n\"Name\":", []string{"f: is not valid JSON: line 2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var problems Problems
			if err := Parse("f", []byte(tt.data)).Broken(); !errors.As(err, &problems) {
				t.Fatalf("error %v", err)
			}
			var got []string
			for _, p := range problems {
				got = append(got, p.Located())
				if strings.Contains(p.Error(), fmt.Sprintf("f:%d", p.Line)) {
					t.Errorf("the message without the line is %q", p)
				}
			}
			if len(got) != len(tt.want) {
				t.Fatalf("problems %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tt.want[i]) {
					t.Errorf("%q, want %q", got[i], tt.want[i])
				}
			}
		})
	}
}
