package dockerinfo

import (
	"cmp"
	"fmt"
	"io"

	"github.com/docker/go-units"
)

// plugin is a plugin of docker's command.
type plugin struct {
	SchemaVersion    string
	Vendor           string
	Version          string
	ShortDescription string
	Name             string
	Path             string
}

type clientInfo struct {
	Debug    bool
	Platform platform
	Version  string
	Context  string
	Plugins  []plugin
	Warnings []string
}

type swarm struct {
	NodeID           string
	NodeAddr         string
	LocalNodeState   string
	ControlAvailable bool
	Error            string
	RemoteManagers   []string
}

type registryConfig struct {
	InsecureRegistryCIDRs []string
	IndexConfigs          map[string]string
	Mirrors               []string
}

// info has the fields of docker info that scripts ask for, name for name
// (https://github.com/moby/moby/blob/docker-v29.5.3/api/types/system/info.go). What
// only an engine knows is empty.
type info struct {
	ID                 string
	Containers         int
	ContainersRunning  int
	ContainersPaused   int
	ContainersStopped  int
	Images             int
	Driver             string
	DriverStatus       [][2]string
	MemoryLimit        bool
	SwapLimit          bool
	Debug              bool
	LoggingDriver      string
	CgroupDriver       string
	CgroupVersion      string
	KernelVersion      string
	OperatingSystem    string
	OSVersion          string
	OSType             string
	Architecture       string
	IndexServerAddress string
	RegistryConfig     registryConfig
	NCPU               int
	MemTotal           int64
	DockerRootDir      string
	HTTPProxy          string `json:"HttpProxy"`
	HTTPSProxy         string `json:"HttpsProxy"`
	NoProxy            string
	Name               string
	Labels             []string
	ExperimentalBuild  bool
	ServerVersion      string
	Runtimes           map[string]string
	DefaultRuntime     string
	Swarm              swarm
	LiveRestoreEnabled bool
	Isolation          string
	InitBinary         string
	SecurityOptions    []string
	Warnings           []string
	ServerErrors       []string
	ClientInfo         clientInfo
}

// Machine is where the program runs.
type Machine struct {
	Hostname string
	CPUs     int
	// Memory is in bytes, 0 where it is not known.
	Memory int64
	// Kernel is the kernel's release, System the name of the distribution; both may be
	// empty.
	Kernel, System string
}

// machineArch are the names that docker info has for architectures, which are those of
// uname -m.
var machineArch = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "arm": "armv7l", "386": "i686"}

func infoOf(p Program, m Machine) info {
	return info{
		Driver:             "none",
		LoggingDriver:      "none",
		CgroupDriver:       "none",
		CgroupVersion:      "2",
		KernelVersion:      m.Kernel,
		OperatingSystem:    m.System,
		OSType:             p.OS,
		Architecture:       cmp.Or(machineArch[p.Arch], p.Arch),
		IndexServerAddress: "https://index.docker.io/v1/",
		NCPU:               m.CPUs,
		MemTotal:           m.Memory,
		Name:               m.Hostname,
		ServerVersion:      DockerVersion,
		DefaultRuntime:     "none",
		Swarm:              swarm{LocalNodeState: "inactive"},
		ClientInfo: clientInfo{
			Platform: platform{Name: "Slipway " + p.Version}, Version: DockerVersion, Context: DefaultContext,
			Plugins: []plugin{{SchemaVersion: "0.1.0", Vendor: "Slipway", Version: p.Buildx, ShortDescription: "Docker Buildx, as Slipway has it", Name: "buildx", Path: p.Path}},
		},
	}
}

// infoText is what docker prints without --format.
const infoText = `Client: %[1]s
 Version:    %[2]s
 Context:    %[3]s
 Debug Mode: false
 Plugins:
  buildx: %[4]s (Slipway)
    Version:  %[5]s
    Path:     %[6]s

Server:
 Containers: 0
  Running: 0
  Paused: 0
  Stopped: 0
 Images: 0
 Server Version: %[2]s
 Storage Driver: %[7]s
 Logging Driver: %[7]s
 Cgroup Driver: %[7]s
 Swarm: inactive
 Kernel Version: %[8]s
 Operating System: %[9]s
 OSType: %[10]s
 Architecture: %[11]s
 CPUs: %[12]d
 Total Memory: %[13]s
 Name: %[14]s
 Experimental: false
 Product: %[15]s
`

// WriteInfo writes docker info, by a template or "json" where format is not empty.
func WriteInfo(w io.Writer, p Program, m Machine, template string) error {
	i := infoOf(p, m)
	if template != "" {
		return write(w, template, i)
	}
	buildx := i.ClientInfo.Plugins[0]
	_, err := fmt.Fprintf(w, infoText, i.ClientInfo.Platform.Name, DockerVersion, DefaultContext, buildx.ShortDescription, buildx.Version, buildx.Path,
		i.Driver, i.KernelVersion, i.OperatingSystem, i.OSType, i.Architecture, i.NCPU, units.BytesSize(float64(i.MemTotal)), i.Name, noEngine)
	return err
}

// noEngine is the product in place of Docker Engine.
const noEngine = "BuildKit in Kubernetes, no Docker engine"
