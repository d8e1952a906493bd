package gateway

import (
	"fmt"
	"net"
	"path"
	"strconv"

	"github.com/slipway-build/slipway/configmap"
)

// Definition is the definition by which clients of a gateway find the nodes of a builder.
// Address is HOST:PORT, and dir the directory on the client's side with its certificates,
// ca.crt, tls.crt and tls.key. The server names end in domain where that is not empty.
func Definition(d configmap.Definition, address, domain, dir string) (configmap.Instance, error) {
	host, port, err := net.SplitHostPort(address)
	if number, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || number == 0 || host == "" {
		return configmap.Instance{}, fmt.Errorf("%q: is no address of a gateway, such as builders.example:8443", address)
	}
	if !path.IsAbs(dir) {
		return configmap.Instance{}, fmt.Errorf("%q: the directory of the certificates is written into the definition, so its path must be absolute", dir)
	}
	i := configmap.Instance{Name: d.Name, Driver: configmap.DriverRemote}
	for _, n := range d.Nodes {
		name := ServerName(d.Name, n.Name)
		if domain != "" {
			name += "." + domain
		}
		i.Nodes = append(i.Nodes, configmap.InstanceNode{
			Name: n.Name, Endpoint: "tcp://" + address, Platforms: n.Platforms,
			DriverOpts: map[string]string{
				"cacert": path.Join(dir, "ca.crt"), "cert": path.Join(dir, "tls.crt"), "key": path.Join(dir, "tls.key"), "servername": name,
			},
		})
	}
	return i, nil
}
