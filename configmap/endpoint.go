package configmap

import (
	"net/url"
	"strings"
)

// readKubernetesEndpoint returns the kubeconfig that an endpoint of the driver
// kubernetes names. buildx uses nothing else of it either: the workload's name
// is the node's, and what is not kubernetes:// (a docker context, the docker
// socket) leads it back to the default.
func readKubernetesEndpoint(endpoint string, r report) string {
	if endpoint == "" {
		return ""
	}
	if !strings.HasPrefix(endpoint, "kubernetes://") {
		r.warn("is not used by the driver kubernetes; it may be left out")
		return ""
	}
	r = r.hinting("write it like kubernetes:///kube?deployment=builder-amd64&kubeconfig=/path, or leave it empty")
	address, err := url.Parse(endpoint)
	if err != nil {
		r.bad("%q is not a valid URL", endpoint)
		return ""
	}
	query, err := url.ParseQuery(address.RawQuery)
	if err != nil {
		r.bad("the parameters of %q cannot be read: %v", endpoint, err)
		return ""
	}
	known := []string{"deployment", "kubeconfig"}
	for _, name := range keysOf(query) {
		if name != known[0] && name != known[1] {
			r.hinting("%s", didYouMean(name, known)).bad("unknown parameter %q", name)
		}
	}
	return query.Get("kubeconfig")
}
