package doctor

import (
	"context"
	"slices"
	"time"

	"github.com/slipway-build/slipway/agent/cluster/kube"
)

// endsSoon is when it should be told that certificates end. Slipway renews its
// own months before, so that nobody who could has been here.
const endsSoon = 14 * 24 * time.Hour

// probeCertificates tells when the certificates of the TCP transports end.
func probeCertificates(ctx context.Context, p *target) answer {
	if !slices.ContainsFunc(p.status.Usable, func(pod kube.Pod) bool { return pod.Listens }) {
		return skipped("no pod of %s that is ready takes TLS connections", p.name)
	}
	end, err := p.within.client.CertificateExpiry(ctx, p.node)
	if err != nil {
		return doubt(err)
	}
	return judgeExpiry(end, time.Now(), p.node.Kubernetes.TLS.ServerSecret != "" || p.node.Kubernetes.TLS.ClientDir != "")
}

// judgeExpiry warns where certificates end soon. Brought ones are not Slipway's
// to renew.
func judgeExpiry(end, now time.Time, brought bool) answer {
	hints := []string{"with the right to write Secrets: slipway up --renew-certificates"}
	if brought {
		hints = []string{"renew them where they are made, such as by cert-manager"}
	}
	const date = "2006-01-02"
	left := end.Sub(now)
	days := int(left.Hours() / 24)
	switch {
	case left <= 0:
		return warned(hints, "ended on %s; builds go by exec, where that is allowed", end.Format(date))
	case left < endsSoon:
		return warned(hints, "end on %s, in %d days", end.Format(date), days)
	}
	return fine("end on %s, in %d days", end.Format(date), days)
}
