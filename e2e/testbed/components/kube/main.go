// Command kube is every Kubernetes daemon of the testbed in one binary: one link
// instead of five, and one file to put on disk. The first argument, or the
// name it was started under, picks the program.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of the clients
	_ "k8s.io/component-base/metrics/prometheus/version"  // build info metric
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// programs names every program. A constructor runs only for the program that
// was asked for, because some of them register global flags.
var programs = map[string]func() *cobra.Command{
	"kube-apiserver":          func() *cobra.Command { return apiserver.NewAPIServerCommand() },
	"kube-controller-manager": func() *cobra.Command { return manager.NewControllerManagerCommand() },
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kube-proxy":              func() *cobra.Command { return proxy.NewProxyCommand() },
	"kubelet":                 newKubelet,
}

// newKubelet takes the constructors of all versions of Kubernetes that this file
// is compiled with: they have a context from 1.32 on.
func newKubelet() *cobra.Command {
	switch create := any(kubelet.NewKubeletCommand).(type) {
	case func(context.Context) *cobra.Command:
		return create(context.Background())
	case func() *cobra.Command:
		return create()
	default:
		panic(fmt.Sprintf("the kubelet's constructor is a %T", create))
	}
}

func main() {
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".test")
	if _, ok := programs[name]; !ok && len(os.Args) > 1 {
		name = os.Args[1]
		os.Args = os.Args[1:]
	}
	program, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "error: no program %q in this binary\nhint: give one of %s as the first argument\n", name, names())
		os.Exit(2)
	}
	os.Exit(cli.Run(program()))
}

func names() string {
	var all []string
	for name := range programs {
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
