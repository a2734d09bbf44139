package scenarios

import (
	"testing"

	"github.com/netrig/netrig/harness"
)

// network is a scenario of the table below. Its body returns the lab as it is
// at the end, still standing, so that others can look at what the harness has
// built: the oracle, and the programs that have to agree with us.
type network struct {
	name string // its test without "Test", and its script in testdata/oracle
	body func(t testing.TB, f family, backend string) *harness.Lab
	// only is the one family that the network has; nil for both.
	only *family
	// filters says that the network has NAT or filter rules, so that its test
	// runs on each backend.
	filters bool
	// timer says that the network is about one of the kernel's timers, and
	// takes as long as the timer.
	timer bool
}

// networks are all scenarios, in the order of the README's table.
var networks = []network{
	{name: "VethPair", body: plain(vethPair)},
	{name: "Bridge", body: plain(bridge)},
	{name: "Router", body: plain(router)},
	{name: "HostGateway", body: plain(hostGateway)},
	{name: "Masquerade", body: masquerade, filters: true},
	{name: "PortForward", body: portForward, filters: true},
	{name: "FreshNamespace", body: plain(freshNamespace)},
	{name: "MovedInterface", body: plain(movedInterface)},
	{name: "VethTwoNamespaces", body: plain(vethTwoNamespaces)},
	{name: "VethHostAndNamespace", body: plain(vethHostAndNamespace)},
	{name: "VethCarrier", body: plain(vethCarrier)},
	{name: "BridgeLearning", body: plain(bridgeLearning)},
	{name: "BridgeAgeing", body: plain(bridgeAgeing), timer: true},
	{name: "BridgeNeverUp", body: plain(bridgeNeverUp)},
	{name: "BridgeThreeNamespaces", body: plain(bridgeThreeNamespaces)},
	{name: "BridgeForwardDrop", body: bridgeForwardDrop, filters: true},
	{name: "BridgeTwoSubnets", body: plain(bridgeTwoSubnets)},
	{name: "BridgeAddressOnPort", body: plain(bridgeAddressOnPort)},
	{name: "BridgeAddressOnPortRoute", body: plain(bridgeAddressOnPortRoute)},
	{name: "BridgeWideGateway", body: plain(bridgeWideGateway)},
	{name: "BridgeTwoGateways", body: plain(bridgeTwoGateways)},
	{name: "RouterSteps", body: plain(routerSteps)},
	{name: "RouterOneWay", body: plain(routerOneWay)},
	{name: "RouterSwitch", body: plain(routerSwitch)},
	{name: "HostRouter", body: plain(hostRouter)},
	{name: "HostGatewaySteps", body: plain(hostGatewaySteps)},
	{name: "HostGatewayOutside", body: plain(hostGatewayOutside)},
	{name: "HostGatewayWithoutRoute", body: plain(hostGatewayWithoutRoute)},
	{name: "HostAsJump", body: plain(hostAsJump)},
	{name: "MasqueradeSubnet", body: masqueradeSubnet, filters: true},
	{name: "MasqueradeWithoutForwarding", body: masqueradeWithoutForwarding, filters: true},
	{name: "MasqueradeNotBridge", body: masqueradeNotBridge, filters: true},
	{name: "MasqueradeUplinkOnBridgeCold", body: masqueradeUplinkCold, filters: true},
	{name: "MasqueradeUplinkOnBridgeWarm", body: masqueradeUplinkWarm, filters: true},
	{name: "MasqueradeUplinkOnBridgeMoved", body: masqueradeUplinkMoved, filters: true},
	{name: "MasqueradeUplinkOnBridgeFiltered", body: masqueradeUplinkFiltered, filters: true},
	{name: "MasqueradeNames", body: masqueradeNames, filters: true},
	{name: "PortForwardWeb", body: portForwardWeb, filters: true},
	{name: "PortForwardDeadTarget", body: portForwardDeadTarget, filters: true},
	{name: "PortForwardUDP", body: portForwardUDP, filters: true},
	{name: "PortForwardHairpin", body: portForwardHairpin, filters: true},
	{name: "PortForwardHairpinBridged", body: portForwardHairpinBridged, filters: true},
	{name: "PortForwardStaleFlow", body: portForwardStaleFlow, filters: true},
	{name: "Fragments", body: plain(fragments), timer: true},
	{name: "PathMTU", body: pathMTU, filters: true},
	{name: "ECMP", body: plain(ecmp)},
	{name: "PolicyRouting", body: plain(policyRouting)},
	{name: "CarrierLoss", body: plain(carrierLoss)},
	{name: "BridgeVLANs", body: plain(bridgeVLANs)},
	{name: "VXLAN", body: plain(vxlan)},
}

// plain is a body without filters, which has no use for a backend.
func plain(body func(testing.TB, family) *harness.Lab) func(testing.TB, family, string) *harness.Lab {
	return func(t testing.TB, f family, _ string) *harness.Lab { return body(t, f) }
}

// families are those that the network has.
func (n network) families() []family {
	if n.only != nil {
		return []family{*n.only}
	}
	return families
}
