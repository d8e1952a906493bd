package fleet

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// rightsTimeout bounds the questions for rights: they only add a hint to a failure.
const rightsTimeout = 10 * time.Second

// rightsAsker asks for the rights that a command lacks; *cluster.Client does.
type rightsAsker interface {
	MissingRights(ctx context.Context, node configmap.Node, use cluster.Use, refused error) (cluster.Rights, error)
}

// ExplainForbidden returns the failure of a command to which the API server has
// refused a right with one hint to paste for all rights that the command lacks, of
// all nodes and of its later steps: a refusal names the first of them only. Any
// other error, and one where they cannot be found out, is returned as it is.
func (c *Connector) ExplainForbidden(ctx context.Context, nodes []configmap.Node, use cluster.Use, err error) error {
	if err == nil || ctx.Err() != nil || !IsReason(err, kube.ReasonForbidden) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, rightsTimeout)
	defer cancel()
	missing := make([]cluster.Rights, len(nodes))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(MaxParallel)
	for i, node := range nodes {
		if node.Kubernetes == nil {
			continue
		}
		group.Go(fault.Guard(func() (unknown error) {
			client, unknown := c.Client(node)
			if asker, ok := client.(rightsAsker); ok && unknown == nil {
				missing[i], unknown = asker.MissingRights(ctx, node, use, err)
			}
			return unknown
		}))
	}
	if unknown := group.Wait(); unknown != nil {
		c.Log.Debug().Err(unknown).Msg("it is not known which rights are missing in all")
		return err
	}
	grant := cluster.GrantHint(err, missing)
	if grant == "" {
		return err
	}
	hints := slices.DeleteFunc(fault.Hints(err), func(hint string) bool {
		return hint == cluster.DoctorHint || fault.IsSnippet(hint) // the roles of one right
	})
	if slices.ContainsFunc(missing, func(r cluster.Rights) bool { return r.Unseen }) && use == cluster.UseBuild {
		hints = append(hints, "whether the builder is there cannot be seen without these rights; the roles to create it can be left out if it is, or if somebody else makes it: slipway up")
	}
	return &forbidden{err, append(hints, grant)}
}

// ExplainForbidden is that of the connector for all nodes.
func (f *Fleet) ExplainForbidden(ctx context.Context, use cluster.Use, err error) error {
	return f.connector.ExplainForbidden(ctx, f.definition.Nodes, use, err)
}

// forbidden is a failure for want of rights, with what grants all of them.
type forbidden struct {
	error
	hints []string
}

// Hints implements what errors say to do about them.
func (f *forbidden) Hints() []string { return f.hints }

// Unwrap returns the failure.
func (f *forbidden) Unwrap() error { return f.error }
