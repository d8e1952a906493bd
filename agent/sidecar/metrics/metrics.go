// Package metrics counts what slipway agent does, for Prometheus. Labels have few values:
// names of builders and nodes, which are defined, and the constants here; never a pod, a
// repository, a client or a reference of a build.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Result is how a build has ended.
type Result string

// The results of builds.
const (
	ResultOK        Result = "ok"
	ResultFailed    Result = "failed"    // buildkitd has answered with an error
	ResultCancelled Result = "cancelled" // the client has ended it, or is gone
	ResultRefused   Result = "refused"   // it was not passed on
	ResultLost      Result = "lost"      // buildkitd was not reached, or was lost meanwhile
)

var results = []Result{ResultOK, ResultFailed, ResultCancelled, ResultRefused, ResultLost}

// Reason is why something was refused.
type Reason string

// The reasons of refusals.
const (
	ReasonConnections Reason = "connections" // as many connections as --max-connections are open
	ReasonMethod      Reason = "method"      // BuildKit's clients do not call it
	ReasonPolicy      Reason = "policy"      // a call that may not be passed on
	ReasonPush        Reason = "push"        // no --allow-push names the repository
)

var reasons = []Reason{ReasonConnections, ReasonMethod, ReasonPolicy, ReasonPush}

// Pod is which of a node's pods a connection has got.
type Pod string

// The choices of pods.
const (
	PodFavourite Pod = "favourite" // the first choice, which has built the same before
	PodOther     Pod = "other"     // another one, as the first choice did not answer
	PodNone      Pod = "none"      // the driver remote, which knows no pods
)

// Direction is that of bytes.
type Direction string

// The directions of bytes.
const (
	ToBuilder   Direction = "to_builder"
	FromBuilder Direction = "from_builder"
)

// Metrics are those of one process. They may be used by several goroutines. Nothing is
// counted by a nil one.
type Metrics struct {
	registry *prometheus.Registry

	refusals                                        *prometheus.CounterVec
	builds, bytes, dials, pods, lost, reconnects    *prometheus.CounterVec
	dialErrors, connectionsTotal, sessionsTotal     *prometheus.CounterVec
	connections, sessions, running, waiting, ready  *prometheus.GaugeVec
	buildSeconds, waitSeconds, dialSeconds, firstBy *prometheus.HistogramVec
}

// node are the labels of what belongs to a node.
var node = []string{"builder", "node"}

// with are the labels of a node and one more.
func with(label string) []string { return []string{"builder", "node", label} }

// The buckets of times, in seconds: a build takes up to hours, a connection is made in
// milliseconds where a pod runs and in minutes where a cluster node has to start.
var (
	buildBuckets   = []float64{1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 3600}
	connectBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 180}
)

// New returns metrics of a version of the program.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	gauge := func(name, help string, labels []string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(g)
		return g
	}
	histogram := func(name, help string, buckets []float64, labels []string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(h)
		return h
	}
	m.builds = counter("slipway_agent_builds_total", "Builds that have ended.", with("result"))
	m.running = gauge("slipway_agent_builds_running", "Builds that buildkitd works on.", node)
	m.waiting = gauge("slipway_agent_builds_waiting", "Builds that wait for their place in the queue.", node)
	m.buildSeconds = histogram("slipway_agent_build_duration_seconds", "Time of a build, without that in the queue.", buildBuckets, with("result"))
	m.waitSeconds = histogram("slipway_agent_build_wait_seconds", "Time of a build in the queue.", buildBuckets, node)
	m.refusals = counter("slipway_agent_refusals_total", "What clients were refused.", []string{"reason"})
	m.bytes = counter("slipway_agent_bytes_total", "Bytes of connections to buildkitd, of HTTP/2 within TLS.", with("direction"))
	m.connections = gauge("slipway_agent_connections", "Connections of clients.", node)
	m.connectionsTotal = counter("slipway_agent_connections_total", "Connections that clients have made.", node)
	m.sessions = gauge("slipway_agent_sessions", "Sessions of clients.", node)
	m.sessionsTotal = counter("slipway_agent_sessions_total", "Sessions that clients have opened.", node)
	m.dials = counter("slipway_agent_dials_total", "Connections to buildkitd that were made, by transport; remote is that of the driver.", with("transport"))
	m.dialErrors = counter("slipway_agent_dial_errors_total", "Connections to buildkitd that could not be made.", node)
	m.dialSeconds = histogram("slipway_agent_dial_duration_seconds", "Time in which a pod was started where there was none, chosen and connected.", connectBuckets, node)
	m.firstBy = histogram("slipway_agent_time_to_first_byte_seconds", "Time from the first call of a connection to the first byte of buildkitd.", connectBuckets, node)
	m.pods = counter("slipway_agent_pod_choices_total", "Pods that connections have got: the favourite, where the cache is warm, or another one.", with("pod"))
	m.reconnects = counter("slipway_agent_reconnects_total", "Dials for a connection of a client whose dial before has failed.", node)
	m.lost = counter("slipway_agent_lost_builders_total", "Connections to buildkitd that were lost while a client had them.", node)
	m.ready = gauge("slipway_agent_node_ready", "1 when a buildkitd of the node has answered, else 0.", node)

	info := gauge("slipway_agent_info", "1, with the version of the program.", []string{"version"})
	info.WithLabelValues(version).Set(1)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, reason := range reasons {
		m.refusals.WithLabelValues(string(reason)) // rates begin with 0
	}
	return m
}

// Handler serves the metrics. At most four scrapes run at once.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Refused counts a refusal.
func (m *Metrics) Refused(why Reason) {
	if m != nil {
		m.refusals.WithLabelValues(string(why)).Inc()
	}
}

// Node are the metrics of one node.
type Node struct {
	all       *Metrics
	names     [2]string
	toBuilder prometheus.Counter
	from      prometheus.Counter
}

// Of returns the metrics of a node, which begin with 0.
func (m *Metrics) Of(builder, name string) *Node {
	if m == nil {
		m = New("") // which nobody reads
	}
	n := &Node{all: m, names: [2]string{builder, name}}
	n.toBuilder, n.from = m.bytes.WithLabelValues(n.and(string(ToBuilder))...), m.bytes.WithLabelValues(n.and(string(FromBuilder))...)
	for _, r := range results {
		m.builds.WithLabelValues(n.and(string(r))...)
	}
	for _, p := range []Pod{PodFavourite, PodOther} {
		m.pods.WithLabelValues(n.and(string(p))...)
	}
	for _, g := range []*prometheus.GaugeVec{m.connections, m.sessions, m.running, m.waiting, m.ready} {
		g.WithLabelValues(n.names[:]...)
	}
	for _, c := range []*prometheus.CounterVec{m.connectionsTotal, m.sessionsTotal, m.reconnects, m.lost, m.dialErrors} {
		c.WithLabelValues(n.names[:]...)
	}
	return n
}

// Refused counts a refusal, which belongs to no node.
func (n *Node) Refused(why Reason) { n.all.Refused(why) }

// and are the node's labels and one more.
func (n *Node) and(label string) []string { return []string{n.names[0], n.names[1], label} }

// Ready notes whether a buildkitd of the node has answered.
func (n *Node) Ready(is bool) {
	value := 0.0
	if is {
		value = 1
	}
	n.all.ready.WithLabelValues(n.names[:]...).Set(value)
}

// Connected counts a connection of a client until what it returns is called.
func (n *Node) Connected() (ended func()) {
	return n.during(n.all.connectionsTotal, n.all.connections)
}

// SessionOpened counts a session until what it returns is called.
func (n *Node) SessionOpened() (ended func()) {
	return n.during(n.all.sessionsTotal, n.all.sessions)
}

func (n *Node) during(total *prometheus.CounterVec, now *prometheus.GaugeVec) (ended func()) {
	total.WithLabelValues(n.names[:]...).Inc()
	open := now.WithLabelValues(n.names[:]...)
	open.Inc()
	return open.Dec
}

// Waiting counts a build in the queue until what it returns is called.
func (n *Node) Waiting() (ended func()) {
	began := time.Now()
	now := n.all.waiting.WithLabelValues(n.names[:]...)
	now.Inc()
	return func() {
		now.Dec()
		n.all.waitSeconds.WithLabelValues(n.names[:]...).Observe(time.Since(began).Seconds())
	}
}

// Running counts a build that buildkitd works on until what it returns is called.
func (n *Node) Running() (ended func()) {
	now := n.all.running.WithLabelValues(n.names[:]...)
	now.Inc()
	return now.Dec
}

// Built counts a build that has ended, and took so long once it was passed on.
func (n *Node) Built(how Result, took time.Duration) {
	n.all.builds.WithLabelValues(n.and(string(how))...).Inc()
	n.all.buildSeconds.WithLabelValues(n.and(string(how))...).Observe(took.Seconds())
}

// Dialled counts a connection to buildkitd that was made in a time. transport is "remote"
// with the driver remote.
func (n *Node) Dialled(transport string, pod Pod, took time.Duration) {
	n.all.dials.WithLabelValues(n.and(transport)...).Inc()
	n.all.dialSeconds.WithLabelValues(n.names[:]...).Observe(took.Seconds())
	if pod != PodNone {
		n.all.pods.WithLabelValues(n.and(string(pod))...).Inc()
	}
}

// DialFailed counts a connection to buildkitd that was not made.
func (n *Node) DialFailed() { n.all.dialErrors.WithLabelValues(n.names[:]...).Inc() }

// Redialled counts a dial after one that has failed.
func (n *Node) Redialled() { n.all.reconnects.WithLabelValues(n.names[:]...).Inc() }

// Lost counts a connection to buildkitd that has ended before its client's.
func (n *Node) Lost() { n.all.lost.WithLabelValues(n.names[:]...).Inc() }

// FirstByte notes how long a client waited for the first byte of buildkitd.
func (n *Node) FirstByte(took time.Duration) {
	n.all.firstBy.WithLabelValues(n.names[:]...).Observe(took.Seconds())
}
