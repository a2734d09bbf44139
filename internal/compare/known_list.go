package compare

// knownChanges are changes that have a name, from the older kernel to the newer
// one. Where the version that brought one is not certain, it says between which
// of the recorded kernels that was.
var knownChanges = []known{
	// Linux 5.10 to 6.1
	{
		name: "Addresses say who made them", since: "Linux 5.18",
		words: "An address has a protocol (IFA_PROTO): ::1 is kernel_lo, and a link-local address that comes with an interface kernel_ll.",
		kind:  Addresses, field: "made by", after: "kernel_l[lo]", before: "",
	},
	{
		name: "The lowest address of a subnet is no broadcast address", since: "Linux 5.14",
		words: "The kernel does not add a broadcast route for the network's own address, such as 192.168.1.0, any more: it is an address like any other.",
		kind:  Routes, what: `route broadcast .*\.0/32 on \S+ in table 255`, after: "-",
	},
	{
		name: "No limit for challenge ACKs", since: "between 5.10 and 6.1",
		words: "tcp_challenge_ack_limit is of the namespace, and off: the limit that all connections shared could be used to spy on them.",
		kind:  Sysctls, what: `sysctl net\.ipv4\.tcp_challenge_ack_limit`,
	},
	{
		name: "Events of conntrack when somebody listens", since: "Linux 5.19",
		words: "nf_conntrack_events is 2: connections tell of their events once a program listens, and cost less before.",
		kind:  Sysctls, what: `sysctl net\.netfilter\.nf_conntrack_events`, before: "1", after: "2",
	},
	{
		name: "Helpers of conntrack only by rule", since: "between 5.10 and 6.1",
		words: "The sysctl nf_conntrack_helper is gone: a helper (FTP, SIP) is put to connections by a rule, and never by the port alone.",
		kind:  Sysctls, what: `sysctl net\.netfilter\.nf_conntrack_helper`, after: "-",
	},
	{
		name: "A lost carrier evicts neighbours by choice", since: "Linux 5.16",
		words: "arp_evict_nocarrier and ndisc_evict_nocarrier: whether the neighbour table is emptied when the carrier is lost, as it always was (1).",
		kind:  Sysctls, what: `sysctl net\.ipv[46]\.conf\.\w+\.(arp|ndisc)_evict_nocarrier`,
	},
	{
		name: "Probes of interfaces by ICMP", since: "Linux 5.13",
		words: "icmp_echo_enable_probe: extended echoes (RFC 8335) are answered if it is set; it is not.",
		kind:  Sysctls, what: `sysctl net\.ipv4\.icmp_echo_enable_probe`,
	},
	{
		name: "A new hash when a connection is stuck, by choice", since: "Linux 5.18",
		words: "net.core.txrehash: whether a socket takes another hash, and so another path, after a time-out.",
		kind:  Sysctls, what: `sysctl net\.core\.txrehash`,
	},
	{
		name: "ICMP's limit is one for each namespace", since: "Linux 6.12, and 6.1 by an update",
		words: "icmp_msgs_per_sec and icmp_msgs_burst can be set in a namespace, which has a bucket of its own.",
		kind:  Sysctls, what: `sysctl net\.ipv4\.icmp_msgs_(per_sec|burst)`, before: "-",
	},
	{
		name: "In-situ OAM for IPv6", since: "Linux 5.15",
		words: "ioam6_id and ioam6_enabled: data of the way that a packet takes, in its options; off.",
		kind:  Sysctls, what: `sysctl net\.ipv6\.(conf\.\w+\.)?ioam6_\w+`,
	},
	{
		name: "Neighbours nobody asked about, by choice", since: "between 5.10 and 6.1",
		words: "accept_untracked_na: whether a router takes up a neighbour that advertises itself unasked; it does not.",
		kind:  Sysctls, what: `sysctl net\.ipv6\.conf\.\w+\.accept_untracked_na`,
	},
	// 6.1 to 6.12
	{
		name: "The far end of a downed cable is down", since: "between 6.1 and 6.12",
		words: "When one end of a veth goes down, the other, in another namespace, says operational state down. It said lowerlayerdown.",
		kind:  Interfaces, field: "operational state", before: "lowerlayerdown", after: "down",
	},
	{
		name: "An interface that is renamed keeps its addresses", since: "Linux 6.2",
		words: "An interface can be renamed while it is up. Before, it had to be taken down, which cost it its IPv6 addresses and routes.",
		kind:  Addresses, what: `address fd.*`, before: "-", after: "scope global.*",
	},
	{
		name: "An interface that is renamed keeps its addresses", since: "Linux 6.2",
		words: "", kind: Routes, what: `route (local|unicast|multicast|anycast) f.*`, before: "-", after: "made by kernel.*",
	},
	{
		name: "Packets that leave are counted", since: "between 6.1 and 6.12",
		words: "IpOutTransmits and Ip6OutTransmits count what is handed to a device; OutRequests counts what a node itself wants to send.",
		kind:  Counters, what: `counter Ip6?OutTransmits`,
	},
	{
		name: "Protective load balancing for TCP", since: "Linux 6.2",
		words: "tcp_plb_*: a connection that sees congestion takes another hash; off.",
		kind:  Sysctls, what: `sysctl net\.ipv4\.tcp_plb_\w+`,
	},
	{
		name: "The first SYNs are repeated at an even pace", since: "Linux 6.5",
		words: "tcp_syn_linear_timeouts: four repetitions of a SYN come a second apart before the time between them doubles.",
		kind:  Sysctls, what: `sysctl net\.ipv4\.tcp_syn_linear_timeouts`,
	},
	{
		name: "The least retransmission time-out can be set", since: "between 6.1 and 6.12",
		words: "tcp_rto_min_us, 200 ms as ever.",
		kind:  Sysctls, what: `sysctl net\.ipv4\.tcp_rto_min_us`,
	},
	// 6.12 to 6.18
	{
		name: "ICMPv6 errors up to ten a second", since: "between 6.12 and 6.18",
		words: "net.ipv6.icmp.ratelimit is 100 ms between errors to one host, not 1000.",
		kind:  Sysctls, what: `sysctl net\.ipv6\.icmp\.ratelimit`, before: "1000", after: "100",
	},
	{
		name: "More of TCP may wait below it", since: "between 6.12 and 6.18",
		words: "tcp_limit_output_bytes is 4 MB, not 1 MB: so much of a connection may lie in queues of devices.",
		kind:  Sysctls, what: `sysctl net\.ipv4\.tcp_limit_output_bytes`, before: "1048576", after: "4194304",
	},
	{
		name: "Forwarding of one IPv6 interface", since: "between 6.12 and 6.18",
		words: "force_forwarding: an interface forwards though conf.all.forwarding says no.",
		kind:  Sysctls, what: `sysctl net\.ipv6\.conf\.\w+\.force_forwarding`,
	},
	{
		name: "DCCP is gone", since: "between 6.12 and 6.18",
		words: "The protocol, and with it nf_conntrack_dccp_*, was removed.",
		kind:  Sysctls, what: `sysctl net\.netfilter\.nf_conntrack_dccp_\w+`, after: "-",
	},
	{
		name: "Accurate ECN", since: "between 6.12 and 6.18",
		words: "tcp_ecn_option and tcp_ecn_option_beacon: how often TCP tells of marks by an option, where both ends have agreed.",
		kind:  Sysctls, what: `sysctl net\.ipv4\.tcp_ecn_option(_beacon)?`,
	},
	{
		name: "More ICMP errors a second", since: "between 6.12 and 7.2",
		words: "icmp_msgs_per_sec and icmp_msgs_burst are 10000, not 1000 and 50.",
		kind:  Sysctls, what: `sysctl net\.ipv4\.icmp_msgs_(per_sec|burst)`, after: "10000",
	},
	{
		name: "ICMP errors with extensions", since: "between 6.12 and 7.2",
		words: "errors_extension_mask: an error can name the interface that the packet came in by (RFC 5837); off.",
		kind:  Sysctls, what: `sysctl net\.ipv[46]\.icmp[._]errors_extension_mask`,
	},
	{
		name: "The longest retransmission time-out can be set", since: "between 6.12 and 7.2",
		words: "tcp_rto_max_ms, two minutes as ever.",
		kind:  Sysctls, what: `sysctl net\.ipv4\.tcp_rto_max_ms`,
	},
	// 6.18 to 7.2
	{
		name: "Temporary addresses live for two days", since: "between 6.18 and 7.2",
		words: "temp_valid_lft: as RFC 8981 has it. It was a week.",
		kind:  Sysctls, what: `sysctl net\.ipv6\.conf\.\w+\.temp_valid_lft`,
	},
	{
		name: "Compressed SACKs wait less exactly", since: "between 6.18 and 7.2",
		words: "tcp_comp_sack_slack_ns: the timer may be later by that.",
		kind:  Sysctls, what: `sysctl net\.ipv4\.tcp_comp_sack_slack_ns`,
	},
}
