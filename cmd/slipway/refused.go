package main

// refusedFlags are the flags of docker buildx build that Slipway does not do.
// They are parsed so that a pipeline that uses one is told so by name.
type refusedFlags struct {
	Annotation   []string `hidden:"" sep:"none" refused:"annotations belong to images; only type=local outputs can be made yet"`
	Attest       []string `hidden:"" sep:"none" refused:"attestations belong to images; only type=local outputs can be made yet"`
	CacheFrom    []string `hidden:"" sep:"none" refused:"leave it out: the builder keeps its cache between builds"`
	CacheTo      []string `hidden:"" sep:"none" refused:"leave it out: the builder keeps its cache between builds"`
	Call         string   `hidden:"" refused:"leave it out: only builds can be done yet, no checks or outlines"`
	Check        bool     `hidden:"" refused:"leave it out: the linter's warnings are shown after every build"`
	Iidfile      string   `hidden:"" refused:"a local output has no image ID"`
	Load         bool     `hidden:"" refused:"there is no Docker engine on the agent; use --output type=local,dest=DIR"`
	MetadataFile string   `hidden:"" refused:"leave it out: a local output has no metadata"`
	Policy       []string `hidden:"" sep:"none" refused:"leave it out: source policies cannot be given yet"`
	Print        string   `hidden:"" refused:"leave it out: only builds can be done yet, no checks or outlines"`
	Provenance   string   `hidden:"" refused:"attestations belong to images; only type=local outputs can be made yet"`
	Push         bool     `hidden:"" refused:"only type=local outputs can be made yet: use --output type=local,dest=DIR"`
	Sbom         string   `hidden:"" refused:"attestations belong to images; only type=local outputs can be made yet"`
	Tag          []string `hidden:"" short:"t" sep:"none" refused:"tags belong to images; only type=local outputs can be made yet"`
	Resource     []string `hidden:"" sep:"none" refused:"set limits.cpu and limits.memory of the builder in its definition"`

	// What docker build had before BuildKit. buildx takes and ignores most of
	// these.
	Compress    bool     `hidden:"" refused:"leave it out: it has had no effect since BuildKit"`
	CPUPeriod   string   `hidden:"" name:"cpu-period" refused:"set limits.cpu of the builder in its definition"`
	CPUQuota    string   `hidden:"" name:"cpu-quota" refused:"set limits.cpu of the builder in its definition"`
	CPUShares   string   `hidden:"" name:"cpu-shares" short:"c" refused:"set requests.cpu of the builder in its definition"`
	CpusetCpus  string   `hidden:"" name:"cpuset-cpus" refused:"place the builder by nodeselector in its definition"`
	CpusetMems  string   `hidden:"" name:"cpuset-mems" refused:"place the builder by nodeselector in its definition"`
	ForceRm     bool     `hidden:"" refused:"leave it out: it has had no effect since BuildKit"`
	Isolation   string   `hidden:"" refused:"leave it out: it has had no effect since BuildKit"`
	Memory      string   `hidden:"" short:"m" refused:"set limits.memory of the builder in its definition"`
	MemorySwap  string   `hidden:"" refused:"set limits.memory of the builder in its definition"`
	Rm          bool     `hidden:"" refused:"leave it out: it has had no effect since BuildKit"`
	SecurityOpt []string `hidden:"" sep:"none" refused:"leave it out: it has had no effect since BuildKit; see --allow"`
	Squash      bool     `hidden:"" refused:"leave it out: it has had no effect since BuildKit; use several stages"`
}
