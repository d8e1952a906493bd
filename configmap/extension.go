package configmap

// readTransport reads the transport of a node.
func readTransport(e *extension, value any, r report) {
	var text string
	if !readString(&text, value, r) {
		return
	}
	switch t := Transport(text); t {
	case TransportAuto, TransportExec:
		e.transport = &t
	case "direct", "portforward":
		r.hinting("use auto or exec").bad("the transport %s does not exist yet", text)
	default:
		r.hinting("%s", didYouMean(text, []string{string(TransportAuto), string(TransportExec)})).bad("%q is not a transport", text)
	}
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
		{"unschedulableGrace", e.unschedulableGrace != nil},
	} {
		if one.given {
			r.key(one.name).bad("has no meaning with the driver remote, which has no workload")
		}
	}
}
