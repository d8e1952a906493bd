package main

import (
	"strings"
	"testing"
)

func TestResult(t *testing.T) {
	const events = `{"Action":"start","Package":"p"}
{"Action":"run","Test":"TestGood"}
{"Action":"output","Test":"TestGood","Output":"    a_test.go:1: fine\n"}
{"Action":"pass","Test":"TestGood"}
{"Action":"output","Test":"TestPart","Output":"    a_test.go:1: not applicable: hostUsers: needs user namespaces (Kubernetes 1.33)\n"}
{"Action":"pass","Test":"TestPart/one"}
{"Action":"skip","Test":"TestPart/two"}
{"Action":"pass","Test":"TestPart"}
{"Action":"output","Test":"TestOld","Output":"    a_test.go:1: not applicable: needs user namespaces (Kubernetes 1.33)\n"}
{"Action":"skip","Test":"TestOld"}
{"Action":"output","Test":"TestLong","Output":"    fault_test.go:89: runs in make faults\n"}
{"Action":"output","Test":"TestLong","Output":"--- SKIP: TestLong (0.00s)\n"}
{"Action":"skip","Test":"TestLong"}
{"Action":"output","Test":"TestBad/case","Output":"    it broke\n"}
{"Action":"fail","Test":"TestBad/case"}
{"Action":"fail","Test":"TestBad"}
{"Action":"output","Output":"FAIL\n"}
{"Action":"fail","Package":"p"}
`
	r := result{cluster: "v1.30.14"}
	var failures, out strings.Builder
	if err := r.read(strings.NewReader(events), &failures); err != nil {
		t.Fatal(err)
	}
	if got := failures.String(); got != "    it broke\nFAIL\n" {
		t.Errorf("of the failures it tells %q", got)
	}
	if err := table(&out, []result{r, {cluster: "v1.37.2", passed: []string{"TestGood"}}}); err != nil {
		t.Fatal(err)
	}
	const want = `KUBERNETES  SCENARIOS  PASSED  IN PART  NOT APPLICABLE  FAILED  LEFT OUT
v1.30.14    4          2       1        1               1       1
v1.37.2     1          1       0        0               0       0
v1.30.14, not applicable: TestOld: needs user namespaces (Kubernetes 1.33)
v1.30.14, in part: TestPart: hostUsers: needs user namespaces (Kubernetes 1.33)
v1.30.14, left out: TestLong: runs in make faults
v1.30.14, failed: TestBad
`
	if out.String() != want {
		t.Errorf("the table is\n%s\nwant\n%s", out.String(), want)
	}
}
