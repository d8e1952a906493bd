package ci

// Argo is what Argo Workflows sets for a container of a workflow.
type Argo struct {
	NodeID string `env:"ARGO_NODE_ID"`
}

func (v Variables) onArgo() bool { return v.Argo.NodeID != "" }
