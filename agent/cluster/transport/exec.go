package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/rbac"
)

// dialExec connects to the buildkitd in pod through `buildctl dial-stdio`, run
// by the API server's exec. It returns when buildkitd has sent its first bytes.
func (d *Dialer) dialExec(ctx context.Context, pod kube.Pod) (net.Conn, error) {
	target := d.api.PodURL(pod.Namespace, pod.Name, "exec", &corev1.PodExecOptions{
		Container: pod.Container,
		// No address: buildctl knows the default socket, and a rootless
		// image names its own in the environment.
		Command: []string{"buildctl", "dial-stdio"},
		Stdin:   true,
		Stdout:  true,
		Stderr:  true,
	})
	exec, err := d.executor(target)
	if err != nil {
		return nil, fmt.Errorf("prepare exec in pod %s: %w", pod, err)
	}
	conn, err := dial(ctx, exec, pod.String())
	if err != nil {
		return nil, explainExec(err, pod, d.api.Identity())
	}
	return conn, nil
}

// executor takes SPDY and falls back to a WebSocket where the server, a proxy
// before it or the role (SPDY is a POST, a WebSocket a GET) refuses it. The API
// server passes the bytes of SPDY on as they are, and takes a WebSocket apart
// to make SPDY of it for the kubelet: a GiB of output takes a tenth longer.
func (d *Dialer) executor(target *url.URL) (executor, error) {
	config := d.api.StreamConfig()
	spdy, err := remotecommand.NewSPDYExecutor(config, http.MethodPost, target)
	if err != nil {
		return nil, err
	}
	websocket, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, target.String())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(spdy, websocket, func(err error) bool {
		if !worthWebSocket(err) {
			return false
		}
		d.log.Debug().Err(err).Msg("exec over spdy refused, trying a websocket")
		return true
	})
}

// refusedUpgrade starts the error of a SPDY request that was answered with
// anything but the upgrade; the answer's text follows.
const refusedUpgrade = "unable to upgrade connection: "

// worthWebSocket is true for failures that lie in the upgrade to SPDY. What
// the kubelet says of the container comes as bare text as well.
func worthWebSocket(err error) bool {
	words, ok := strings.CutPrefix(err.Error(), refusedUpgrade)
	return ok && words != "Unauthorized" && !strings.Contains(words, "not found") && !strings.Contains(words, "does not exist")
}

// explainExec says why the buildkitd in pod cannot be reached.
func explainExec(err error, pod kube.Pod, id kube.Identity) error {
	var ended *endedError
	if errors.As(err, &ended) {
		return &kube.Error{
			Reason:  kube.ReasonTransport,
			Message: fmt.Sprintf("reach buildkitd in pod %s by exec: %v", pod, ended),
			Advice:  []string{"the image must hold buildctl and a running buildkitd: kubectl exec --namespace " + pod.Namespace + " " + pod.Name + " --container " + pod.Container + " -- buildctl debug workers"},
			Cause:   err,
		}
	}
	return explainUpgrade(err, "exec in pod "+pod.String(), pod, id)
}

// explainUpgrade says why the API server or the kubelet do not pass bytes on
// to a pod.
func explainUpgrade(err error, doing string, pod kube.Pod, id kube.Identity) error {
	// A failed upgrade does not unwrap to its cause.
	var upgrade *httpstream.UpgradeFailureError
	if errors.As(err, &upgrade) {
		err = upgrade.Cause
	}
	if apierrors.IsNotFound(err) || err.Error() == fmt.Sprintf("%spods %q not found", refusedUpgrade, pod.Name) {
		return &kube.Error{
			Reason:  kube.ReasonGone,
			Message: fmt.Sprintf("%s: the pod is gone", doing),
			Advice:  []string{"another pod of the builder is chosen on the next attempt"},
			Cause:   err,
		}
	}
	// SPDY passes the server's refusal on as bare text.
	if words, ok := strings.CutPrefix(err.Error(), refusedUpgrade); ok {
		e := &kube.Error{Reason: kube.ReasonTransport, Message: doing + ": " + words, Advice: []string{podHint(pod)}, Cause: err}
		if missing, ok := rbac.ParseForbidden(words); ok {
			e.Reason, e.Advice = kube.ReasonForbidden, missing.Hints(rbac.SecretNames{})
		}
		return e
	}
	var status apierrors.APIStatus
	explained := kube.Explain(err, doing, id, rbac.SecretNames{})
	var e *kube.Error
	if errors.As(explained, &e) && e.Reason == kube.ReasonServer && errors.As(err, &status) {
		// The kubelet's own refusals, such as a container that does not run.
		e.Reason, e.Advice = kube.ReasonTransport, []string{podHint(pod)}
	}
	return explained
}

func podHint(pod kube.Pod) string {
	return fmt.Sprintf("see how the pod is: kubectl describe pod --namespace %s %s", pod.Namespace, pod.Name)
}
