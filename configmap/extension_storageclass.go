package configmap

import "k8s.io/apimachinery/pkg/util/validation"

// readStorageClass reads the storage class of a node's claims. The empty one
// is a class of its own: volumes that somebody has made by hand.
func readStorageClass(value any, r report) (string, bool) {
	var name string
	if !readString(&name, value, r) {
		return "", false
	}
	if name != "" {
		r.badAll("cannot be the name of a storage class", validation.IsDNS1123Subdomain(name))
	}
	return name, true
}

// checkStorageClass refuses a storage class for which there is no claim. One of
// the group needs a claim of one node.
func (g group) checkStorageClass(nodes []Node, r report) {
	r = r.hinting("ask for a claim with the driver-opt persistent-volume-claim.requests.storage")
	claims := false
	for i, n := range nodes {
		own := n.Kubernetes != nil && n.Kubernetes.ClaimStorage != nil
		claims = claims || own
		if raw := g.nodes[i]; raw.slipway[keyStorageClass] != nil && n.Kubernetes != nil && !own {
			raw.report.key("Slipway.storageClass").hinting("%s", r.hint).bad("the node has no persistent claim")
		}
	}
	if g.slipway[keyStorageClass] != nil && g.driver == DriverKubernetes && !claims {
		r.key("Slipway.storageClass").bad("no node has a persistent claim")
	}
}
