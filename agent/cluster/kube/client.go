package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/slipway-build/slipway/configmap"
)

// Client speaks to one API server under one identity. It is safe for
// concurrent use; all its requests share one HTTP/2 connection.
type Client struct {
	identity   Identity
	config     *rest.Config
	core, apps rest.Interface
	http       *http.Client // what both are made of
	parameters runtime.ParameterCodec
	log        zerolog.Logger
}

// Connect finds an identity and prepares a client for it. definitionKubeconfig
// is what the definition's endpoint names and may be empty or point nowhere.
// No request is sent yet. Errors are of type *Error.
func Connect(access Access, definitionKubeconfig string, log zerolog.Logger) (*Client, error) {
	config, id, err := resolve(access, definitionKubeconfig, access.environment())
	if err != nil {
		return nil, err
	}
	log.Debug().
		Str("source", string(id.Source)).
		Strs("files", id.Files).
		Str("context", id.Context).
		Str("server", id.Server).
		Str("namespace", id.Namespace).
		Msg("kubernetes identity")
	if access.Observe != nil {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return observingTransport{next, access.Observe} })
	}
	return New(config, id, access.UserAgent, log)
}

// New makes a client of a config, which it changes. id is named in messages.
func New(config *rest.Config, id Identity, userAgent string, log zerolog.Logger) (*Client, error) {
	tune(config, userAgent, log)
	// The generated clients register every API group of Kubernetes, which
	// costs 9 MB of binary and a third of the start-up time; two groups are all
	// that is needed.
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register the kubernetes types: %w", err)
		}
	}
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()

	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return credentialMarker{next} })
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, identityError("use the credential ("+id.String()+")", err)
	}
	transport := transportOf(httpClient)
	if config.BearerTokenFile != "" {
		transport = tokenRetrier{transport, config.BearerTokenFile}
	}
	transport = newRefusalRetrier(transport, log)
	// Of its own, for the one that there is may be everybody's.
	httpClient = &http.Client{Transport: newDiagnosingTransport(transport, config, id, log), Timeout: httpClient.Timeout}
	group := func(path string, version schema.GroupVersion) (rest.Interface, error) {
		c := rest.CopyConfig(config)
		c.APIPath = path
		c.GroupVersion = &version
		return rest.RESTClientForConfigAndClient(c, httpClient)
	}
	core, err := group("/api", corev1.SchemeGroupVersion)
	if err != nil {
		return nil, identityError("use the credential ("+id.String()+")", err)
	}
	apps, err := group("/apis", appsv1.SchemeGroupVersion)
	if err != nil {
		return nil, identityError("use the credential ("+id.String()+")", err)
	}
	return &Client{
		identity:   id,
		config:     config,
		core:       core,
		apps:       apps,
		http:       httpClient,
		parameters: runtime.NewParameterCodec(scheme),
		log:        log,
	}, nil
}

func transportOf(c *http.Client) http.RoundTripper {
	if c.Transport == nil {
		return http.DefaultTransport
	}
	return c.Transport
}

// Identity says who the client is to the cluster.
func (c *Client) Identity() Identity { return c.identity }

// tune sets what a short-lived client needs that waits on nothing but the
// server.
func tune(config *rest.Config, userAgent string, log zerolog.Logger) {
	if userAgent == "" {
		userAgent = "slipway"
	}
	config.UserAgent = userAgent
	// A negative QPS switches client-side throttling off: a build sends a
	// dozen requests, and the server has its own priority and fairness.
	config.QPS = -1
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.Dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	config.WarningHandlerWithContext = warnings{log}
}

// warnings passes what the API server warns of, such as a pod that the
// namespace's pod security level will refuse, to the log.
type warnings struct{ log zerolog.Logger }

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
// 299 is the only code that Kubernetes uses.
func (w warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	if code == 299 && text != "" && ctx.Value(withoutWarningsKey{}) == nil {
		w.log.Warn().Msg("kubernetes: " + text)
	}
}

// FieldManager is the name by which the API server notes what Slipway has set.
const FieldManager = "slipway"

// withoutWarningsKey marks the context of a request whose warnings are an answer and are
// told in another place.
type withoutWarningsKey struct{}

// WithoutWarnings keeps what the API server warns of out of the log.
func WithoutWarnings(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutWarningsKey{}, true)
}

// Quiet keeps client-go's own logger off stderr, where the display writes;
// everything that matters comes back as an error.
func Quiet(ctx context.Context) context.Context {
	return klog.NewContext(ctx, klog.New(nil))
}

// Namespace is where node's workload lives.
func (c *Client) Namespace(node configmap.Node) string {
	if node.Kubernetes.Namespace != "" {
		return node.Kubernetes.Namespace
	}
	return c.identity.Namespace
}

// IsContextError is true when a context has ended.
func IsContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// IsTimeout is true for the network's own time limits, and those of contexts.
func IsTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
