#!/usr/bin/python3
"""One of the peers: the works as they are written for Mininet.

Reads lines "WORK SIZE REPETITIONS", answers each with "ok KEY=VALUE ...":
seconds for all repetitions, and what was lost. A Linux bridge is the switch,
and there is no controller.
"""
import os
import re
import sys
import tempfile
import time

# What Mininet prints is no answer.
answers = os.fdopen(os.dup(1), 'w', buffering=1)
os.dup2(2, 1)

try:
    from mininet.log import setLogLevel
    from mininet.net import Mininet
    from mininet.nodelib import LinuxBridge
except ImportError as e:
    answers.write('no Mininet is not installed: %s\n' % e)
    sys.exit()


def address(i):
    return '10.0.%d.%d' % (i >> 8, i & 255)


def network():
    return Mininet(switch=LinuxBridge, controller=None, autoSetMacs=True, ipBase='10.0.0.0/16', build=False)


lost = 0  # pings, since the work began


def ping(node, to):
    """One that is not answered is counted. Right after links have been set up that happens."""
    global lost
    out = node.cmd('ping -n -c1 -W5 ' + to)
    if ' 0 received' in out:
        lost += 1
    elif ' 1 received' not in out:
        raise RuntimeError('%s cannot ping %s: %s' % (node, to, out))


def pair(_):
    net = network()
    a, b = net.addHost('a', ip='10.0.0.1/24'), net.addHost('b', ip='10.0.0.2/24')
    net.addLink(a, b)
    net.start()
    ping(a, '10.0.0.2')
    net.stop()


def record(node, file):
    """Starts tcpdump on every interface, and returns when it runs."""
    # Immediately: what it has not been handed when it is ended, it never writes.
    p = node.popen(['tcpdump', '-i', 'any', '--immediate-mode', '-U', '-Z', 'root', '-w', file], text=True)
    for line in p.stderr:
        if 'listening on' in line:
            return p
    raise RuntimeError('tcpdump has not started')


def until_written(folder):
    """Returns when no file in the folder grows any more."""
    before, now = -1, 0
    while before != now:
        time.sleep(0.5)
        before, now = now, sum(os.stat(f.path).st_size for f in os.scandir(folder))


def recorded(recorders):
    """Ends them, and adds up how many packets they have captured."""
    captured = 0
    for p in recorders:
        p.send_signal(2)
    for p in recorders:
        _, said = p.communicate()
        captured += int(re.search(r'(\d+) packets? captured', said).group(1))
    return captured


def masquerade(_):
    net = network()
    client, gateway, server = [net.addHost(n, ip=None) for n in ('client', 'gateway', 'server')]
    inner, outer = net.addLink(client, gateway), net.addLink(server, gateway)
    net.start()
    client.setIP('10.1.0.2', 24, inner.intf1)
    gateway.setIP('10.1.0.1', 24, inner.intf2)
    gateway.setIP('10.2.0.1', 24, outer.intf2)
    server.setIP('10.2.0.2', 24, outer.intf1)
    client.setDefaultRoute('via 10.1.0.1')
    gateway.cmd('sysctl -qw net.ipv4.ip_forward=1')
    gateway.cmd('iptables -t nat -A POSTROUTING -s 10.1.0.0/24 -o %s -j MASQUERADE' % outer.intf2)
    with tempfile.TemporaryDirectory(dir='/run') as files:
        recorders = [record(n, '%s/%s.pcap' % (files, n)) for n in net.hosts]
        ping(client, '10.2.0.2')
        for f in os.scandir(files):  # until each has an echo and its reply
            while lost == 0 and os.stat(f.path).st_size < 24 + 2 * (16 + 20 + 84):
                time.sleep(0.001)
        recorded(recorders)
    net.stop()


def bridged(size):
    net = network()
    switch = net.addSwitch('s1')
    for i in range(1, size + 1):
        net.addLink(net.addHost('h%d' % i, ip=address(i) + '/16'), switch)
    net.start()
    return net


def bridge(size):
    net = bridged(size)
    ping(net.hosts[0], address(size))
    net.stop()


def matrix(size, permanent):
    net = bridged(size)
    if permanent:
        net.staticArp()
    start = time.monotonic()
    percent = net.pingAll(timeout='5')
    took = time.monotonic() - start
    net.stop()
    return took, round(percent / 100 * size * (size - 1))


def chain(routers):
    net = network()
    nodes = [net.addHost('r%d' % i, ip=None) for i in range(routers + 2)]
    links = [net.addLink(a, b) for a, b in zip(nodes, nodes[1:])]
    net.start()
    for i, link in enumerate(links):
        nodes[i].setIP('10.0.%d.1' % i, 24, link.intf1)
        nodes[i + 1].setIP('10.0.%d.2' % i, 24, link.intf2)
    nodes[0].setDefaultRoute('via 10.0.0.2')
    nodes[-1].setDefaultRoute('via 10.0.%d.1' % routers)
    for i in range(1, routers + 1):
        nodes[i].cmd('sysctl -qw net.ipv4.ip_forward=1')
        if i < routers:
            nodes[i].setDefaultRoute('via 10.0.%d.2' % i)
        if i > 1:
            nodes[i].cmd('ip route add 10.0.0.0/24 via 10.0.%d.1' % (i - 1))
    ping(nodes[0], '10.0.%d.2' % routers)
    net.stop()


def capture(size, count):
    net = network()
    a, b = net.addHost('a', ip=None), net.addHost('b', ip=None)
    cable = net.addLink(a, b)
    net.start()
    for intf in cable.intf1, cable.intf2:
        intf.ifconfig('up')
    with tempfile.TemporaryDirectory(dir='/run') as files:
        recorders = [record(n, '%s/%s.pcap' % (files, n)) for n in net.hosts]
        start = time.monotonic()
        role = 'send %s %d %d' % (cable.intf1, size, count)
        if a.popen([os.environ['NETRIG_BENCH_SELF']], env=dict(os.environ, NETRIG_BENCH_ROLE=role)).wait() != 0:
            raise RuntimeError('the frames could not be sent')
        took = time.monotonic() - start
        until_written(files)
        captured = recorded(recorders)
        kept = sum(os.stat(f.path).st_size for f in os.scandir(files))
    net.stop()
    return took, 2 * count - captured, kept // 1024


def work(name, size, times):
    with open('/proc/self/setgroups') as f:
        if f.read().strip() == 'deny':
            return 'no Mininet wants root'
    if name in ('learned', 'permanent'):
        return 'ok seconds=%.6f lost=%d' % matrix(size, name == 'permanent')
    if name == 'capture':
        return 'ok seconds=%.6f lost=%d kilobytes=%d' % capture(size, times)
    build = {'pair': pair, 'masquerade': masquerade, 'bridge': bridge, 'chain': chain}.get(name)
    if build is None:
        return 'no it does not know the work %s' % name
    global lost
    lost = 0
    start = time.monotonic()
    for _ in range(times):
        build(size)
    return 'ok seconds=%.6f lost=%d' % (time.monotonic() - start, lost)


setLogLevel('error')
for line in sys.stdin:
    name, size, times = line.split()
    answers.write(work(name, int(size), int(times)) + '\n')
