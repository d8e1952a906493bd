package configmap

import (
	"fmt"
	"testing"
)

// TestStrictPlatforms is about a key that is not about a workload.
func TestStrictPlatforms(t *testing.T) {
	for driver, endpoint := range map[string]string{"kubernetes": "", "remote": ", Endpoint: 'tcp://a:1'"} {
		d, problems := load(t, fmt.Sprintf("Name: a\nDriver: %s\nSlipway: {strictPlatforms: true}\nNodes: [{Name: m%s}, {Name: o%[2]s, Slipway: {strictPlatforms: false}}]\n", driver, endpoint))
		if len(problems) > 0 {
			t.Fatalf("%s: %v", driver, problems)
		}
		if !d.Nodes[0].StrictPlatforms || d.Nodes[1].StrictPlatforms {
			t.Errorf("%s: %t, %t", driver, d.Nodes[0].StrictPlatforms, d.Nodes[1].StrictPlatforms)
		}
		if all := d.WithStrictPlatforms(); !all.Nodes[1].StrictPlatforms || d.Nodes[1].StrictPlatforms {
			t.Errorf("%s: the flag says %t, the definition %t", driver, all.Nodes[1].StrictPlatforms, d.Nodes[1].StrictPlatforms)
		}
	}
	checkProblems(t, "Name: a\nDriver: kubernetes\nSlipway: {strictPlatforms: 'yes'}\nNodes: [{Name: m}]\n",
		[]string{"Slipway.strictPlatforms: must be true or false"}, "write true or false")
}
