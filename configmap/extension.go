package configmap

// readTransport reads the transport of a node.
func readTransport(e *extension, value any, r report) {
	var text string
	if !readString(&text, value, r) {
		return
	}
	t, err := ParseTransport(text)
	if err != nil {
		r.hinting("%s", didYouMean(text, transports())).bad("%q is not a transport", text)
		return
	}
	e.transport = &t
}

// refuseForRemote says that all the settings are about a workload, which the
// driver remote does not have.
func (e extension) refuseForRemote(r report) {
	for _, one := range []struct {
		name  string
		given bool
	}{
		{"podTemplate", e.podTemplate != nil},
		{"transport", e.transport != nil},
		{"drift", e.drift != nil},
		{"tls", e.tls != nil},
		{"unschedulableGrace", e.unschedulableGrace != nil},
		{"overflow", e.overflow != nil},
		{"terminationGrace", e.terminationGrace != nil},
		{"owner", e.owner != nil},
		{"idleTimeout", e.idleTimeout != nil},
		{"profile", e.profile != nil},
		{"storageClass", e.storageClass != nil},
		{"gc", e.gc != nil},
	} {
		if one.given {
			r.key(one.name).bad("has no meaning with the driver remote, which has no workload")
		}
	}
}
