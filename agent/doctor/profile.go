package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// probeProfile tells what stands between the builds and the cluster node, and
// whether something better is to be had.
func probeProfile(ctx context.Context, p *target) answer {
	client := p.within.client
	asked, err := client.Profile(p.node)
	if err != nil {
		return failing(fault.ClassUsage, err)
	}
	places, err := client.Places(ctx, p.node)
	if err != nil { // agents have no right to that
		places = cluster.Places{}
	}
	return judgeProfile(asked, p.status, places, p.within.server.HasUserNamespaces())
}

// escapes says for each profile who somebody is that breaks out of a build.
func escapes() map[configmap.Profile]string {
	return map[configmap.Profile]string{
		configmap.ProfileUserNamespace: "who breaks out of the pod is nobody on the cluster node",
		configmap.ProfileRootless:      "who breaks out of the pod is a user without rights on the cluster node",
		configmap.ProfilePrivileged:    "who breaks out of a build is root on the cluster node",
		manifest.ProfileRoot:           "who breaks out of the pod is root on the cluster node",
	}
}

// judgeProfile compares what the definition asks for with what runs, and with
// what the cluster nodes offer. Places is empty where that is not known; kept
// is true where the API server keeps the field that makes user namespaces.
func judgeProfile(asked configmap.Profile, s cluster.Status, places cluster.Places, kept bool) answer {
	for _, pod := range s.Pods {
		if pod.Ready && !pod.Terminating && pod.Profile != asked {
			return warned([]string{
				"a pod of an earlier definition is replaced when its workload is made again",
				"Kubernetes before 1.33 forgets that pods are to have user namespaces, unless it is told otherwise",
			}, "the definition asks for %s, but pod %s is %s: %s", asked, pod.Name, pod.Profile, escapes()[pod.Profile])
		}
	}
	detail := fmt.Sprintf("%s: %s", asked, escapes()[asked])
	switch {
	case asked == configmap.ProfileUserNamespace && len(places.Fit) > len(places.UserNamespaces):
		return warned([]string{"user namespaces take Kubernetes 1.33, containerd 2.0 or CRI-O, and Linux 6.3 on the cluster node"},
			"%s, but only %d of %d cluster nodes offer user namespaces: %s", detail, len(places.UserNamespaces), len(places.Fit), strings.Join(places.UserNamespaces, ", "))
	case asked == configmap.ProfilePrivileged && kept && len(places.Fit) > 0 && len(places.Fit) == len(places.UserNamespaces):
		a := fine("%s; its cluster nodes offer user namespaces: %s", detail, strings.Join(places.UserNamespaces, ", "))
		a.hints = []string{"set profile: user-namespace below Slipway in the definition, see docs/profiles.md"}
		return a
	}
	return fine("%s", detail)
}
