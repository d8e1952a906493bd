package kube

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/slipway-build/slipway/agent/cluster/rbac"
	"github.com/slipway-build/slipway/internal/fault"
)

// Reason says what kind of trouble an Error is, for a caller that branches.
type Reason string

// The reasons. None of them lies in the user's Dockerfile; ReasonDefinition
// lies in the definition, all others in the cluster.
const (
	// ReasonIdentity: no credential for a cluster was found, or the one that
	// was asked for cannot be used.
	ReasonIdentity Reason = "Identity"
	// ReasonUnreachable: the API server does not answer.
	ReasonUnreachable Reason = "Unreachable"
	// ReasonUnauthorized: the API server does not know the credential.
	ReasonUnauthorized Reason = "Unauthorized"
	// ReasonForbidden: the identity lacks a right. Hints hold the role.
	ReasonForbidden Reason = "Forbidden"
	// ReasonNamespace: the namespace does not exist.
	ReasonNamespace Reason = "Namespace"
	// ReasonDefinition: the API server rejects what the definition asks for,
	// or its pod template cannot be applied.
	ReasonDefinition Reason = "Definition"
	// ReasonQuota: a ResourceQuota leaves no room.
	ReasonQuota Reason = "Quota"
	// ReasonAdmission: a policy or admission webhook refuses the object.
	ReasonAdmission Reason = "Admission"
	// ReasonUnschedulable: no cluster node takes the pod and no autoscaler
	// answers.
	ReasonUnschedulable Reason = "Unschedulable"
	// ReasonImage: an image cannot be pulled.
	ReasonImage Reason = "Image"
	// ReasonContainer: the container cannot be created.
	ReasonContainer Reason = "Container"
	// ReasonCrash: a container ends soon after each start.
	ReasonCrash Reason = "Crash"
	// ReasonOOMKilled: a container runs out of memory soon after each start.
	ReasonOOMKilled Reason = "OOMKilled"
	// ReasonEvicted: cluster nodes reject or evict every pod.
	ReasonEvicted Reason = "Evicted"
	// ReasonGone: the workload or pod vanished under us.
	ReasonGone Reason = "Gone"
	// ReasonTimeout: no pod became ready in time.
	ReasonTimeout Reason = "Timeout"
	// ReasonTransport: a pod is ready but buildkitd in it cannot be reached.
	ReasonTransport Reason = "Transport"
	// ReasonBlocked: packets to a pod get no answer.
	ReasonBlocked Reason = "Blocked"
	// ReasonRefused: nothing takes connections at a pod's address.
	ReasonRefused Reason = "Refused"
	// ReasonCertificate: agent and buildkitd do not accept each other's
	// certificates, or one of the two has none.
	ReasonCertificate Reason = "Certificate"
	// ReasonForeign: an object or a pod bears a name that is needed and is
	// somebody else's.
	ReasonForeign Reason = "Foreign"
	// ReasonDrift: a workload is not as its definition says, and that was not
	// to be.
	ReasonDrift Reason = "Drift"
	// ReasonServer: any other answer of the API server.
	ReasonServer Reason = "Server"
)

// Error is every error of this package but those of a context that ended.
type Error struct {
	Reason Reason
	// Message says what and where.
	Message string
	// Advice is what Hints returns.
	Advice []string
	// Cause is what the API server or the network reported; nil without.
	Cause error
	// Unproven is true where a pod could not prove to be the workload's, or did
	// not accept the proof of the agent.
	Unproven bool
}

// Error says what and where, in the words of the scheduler, kubelet or API
// server that spoke.
func (e *Error) Error() string { return e.Message }

// Hints are what a user can do next, one per entry; an entry may be several
// lines long when it holds something to paste.
func (e *Error) Hints() []string { return e.Advice }

// DefinitionParts are the parts of the definition in which the trouble can be
// mended.
func (e *Error) DefinitionParts() []fault.Part {
	switch e.Reason {
	case ReasonImage:
		return []fault.Part{fault.PartImage}
	case ReasonOOMKilled, ReasonEvicted, ReasonQuota:
		return []fault.Part{fault.PartResources}
	case ReasonCertificate:
		return []fault.Part{fault.PartFiles}
	case ReasonUnschedulable, ReasonAdmission:
		return []fault.Part{fault.PartPod}
	case ReasonCrash, ReasonContainer, ReasonTimeout:
		return []fault.Part{fault.PartPod, fault.PartFiles}
	default: // not in the definition, or without a pod
		return nil
	}
}

// Unwrap returns what the API server or the network reported, if anything.
func (e *Error) Unwrap() error { return e.Cause }

// Explain turns an answer of the API server into an Error. doing says what was
// tried and on what, as in "create deployment builder in namespace ci".
// own are the Secrets of the workload that it is about, for the roles of the
// hints. An error that is an Error already, or of a context that ended, keeps
// its nature.
func Explain(err error, doing string, id Identity, own rbac.SecretNames) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case IsContextError(err):
		return fmt.Errorf("%s: %w", doing, err)
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return Unreachable(err, doing, id)
	}
	// The status says more than the errors around it, which for exec repeat the
	// failed upgrade.
	words := status.Status().Message
	if words == "" {
		words = err.Error()
	}
	e := &Error{Reason: ReasonServer, Message: doing + ": " + words, Cause: err}
	switch {
	case apierrors.IsUnauthorized(err):
		e.Reason = ReasonUnauthorized
		e.Message = fmt.Sprintf("%s: the API server %s does not accept the credential (%s): %s", doing, id.Server, id, words)
		e.Advice = []string{"check that the credential is of this cluster and not expired; `kubectl auth whoami` with the same kubeconfig shows it"}
	case isMissingNamespace(err):
		e.Reason = ReasonNamespace
		if d := status.Status().Details; d != nil {
			e.Advice = []string{
				"create it: kubectl create namespace " + d.Name,
				"or name another one with the driver-opt namespace=",
			}
		}
	case apierrors.IsForbidden(err):
		if missing, ok := rbac.ParseForbidden(words); ok {
			e.Reason = ReasonForbidden
			e.Advice = missing.Hints(own)
			break
		}
		e.Reason, e.Advice = Refusal(words)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		e.Reason, e.Advice = Refusal(words)
		if !strings.Contains(words, "admission webhook") {
			e.Reason = ReasonDefinition
			e.Advice = []string{"mend the driver-opt or the podTemplate of the definition that the message names"}
		}
	}
	return e
}

// OfferRole returns err with the granted roles as its one hint where the API server has
// said that a right is missing, for callers whose rights are no part of a
// build's roles.
func OfferRole(err error, granted ...rbac.Role) error {
	var known *Error
	if !errors.As(err, &known) || known.Reason != ReasonForbidden {
		return err
	}
	if missing, ok := rbac.ParseForbidden(known.Message); ok {
		known.Advice = []string{missing.Grant(granted)}
	}
	return err
}

// Refusal tells a quota from a policy in the words of an object that was
// refused: Kubernetes answers both with the same code.
func Refusal(words string) (Reason, []string) {
	switch {
	case strings.Contains(words, "failed quota") && strings.Contains(words, "must specify"):
		return ReasonQuota, []string{unspecified(words)}
	case strings.Contains(words, "exceeded quota"), strings.Contains(words, "failed quota"):
		return ReasonQuota, []string{
			"see what is used: kubectl describe resourcequota",
			"ask for less with requests.cpu, requests.memory, limits.* or replicas in the definition, or have the quota raised",
		}
	case strings.Contains(words, "violates PodSecurity"):
		return ReasonAdmission, []string{
			"BuildKit needs a privileged pod: use a namespace with the label pod-security.kubernetes.io/enforce=privileged",
			"or set rootless=true and check what the namespace allows (rootless still needs seccomp and AppArmor unconfined)",
		}
	default:
		return ReasonAdmission, []string{"a policy of the cluster refuses the object: ask who runs it, or adapt the definition (podTemplate can set any field)"}
	}
}

// mustSpecify finds what a ResourceQuota wants every container to say, as in
// "must specify limits.memory for: buildkitd; requests.cpu for: buildkitd"; older
// servers write "must specify limits.memory,requests.cpu".
var mustSpecify = regexp.MustCompile(`(?:requests|limits)\.[a-z-]+|\b(?:cpu|memory)\b`)

// unspecified names the driver-opts by which a pod says what a quota wants.
func unspecified(words string) string {
	_, wanted, _ := strings.Cut(words, "must specify")
	examples := map[string]string{"cpu": "2", "memory": "4Gi", "ephemeral-storage": "20Gi"}
	var options []string
	for _, name := range mustSpecify.FindAllString(wanted, -1) {
		kind, resource, ok := strings.Cut(name, ".")
		if !ok { // a bare name counts requests
			kind, resource = "requests", name
		}
		if option := fmt.Sprintf("%s.%s=%s", kind, resource, examples[resource]); examples[resource] != "" && !slices.Contains(options, option) {
			options = append(options, option)
		}
	}
	if len(options) == 0 {
		options = []string{"requests.cpu=2", "requests.memory=4Gi", "limits.cpu=4", "limits.memory=8Gi"}
	}
	return "a quota of the namespace wants every container to say what it needs: set the driver-opts " + strings.Join(options, ", ") + " with values that fit your builds (a LimitRange with defaults does as well)"
}

// isMissingNamespace is true when the namespace itself was not found, as
// opposed to an object in it.
func isMissingNamespace(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	d := status.Status().Details
	return d != nil && d.Kind == "namespaces"
}

// IsMissingRight is true when the API server's RBAC authorizer has refused, and
// not a quota or admission.
func IsMissingRight(err error) bool {
	if !apierrors.IsForbidden(err) {
		return false
	}
	_, known := rbac.ParseForbidden(err.Error())
	return known
}

// Unreachable is the error of a request that the API server has not answered.
// doing says what was tried.
func Unreachable(err error, doing string, id Identity) error {
	// url.Error repeats the method and the whole request path, which is of no use
	// to a user.
	words := err
	var u *url.Error
	if errors.As(err, &u) {
		words = u.Err
	}
	if failed := (*pluginError)(nil); errors.As(err, &failed) {
		return &Error{Reason: ReasonIdentity, Message: doing + ": " + failed.Error(), Advice: failed.hints(), Cause: err}
	}
	hint := fmt.Sprintf("check that this machine reaches %s (identity: %s)", id.Server, id)
	if strings.Contains(words.Error(), "x509") {
		hint = fmt.Sprintf("the certificate of %s does not fit the certificate authority of the credential (%s)", id.Server, id)
	}
	hints := []string{hint}
	if lost := (*unansweredError)(nil); errors.As(err, &lost) && len(lost.hints()) > 0 {
		hints = lost.hints()
	}
	return &Error{
		Reason:  ReasonUnreachable,
		Message: fmt.Sprintf("%s: no usable answer from the API server %s: %v", doing, id.Server, words),
		Advice:  hints,
		Cause:   err,
	}
}
