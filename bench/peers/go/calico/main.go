// calico: Calico's IPAM client over a datastore in memory.
//
// Calico gives a pool's addresses to nodes in blocks, and a node's pods have theirs from the node's
// block. What stands here is a cluster in which every node owns one block of the default size, a
// /26. A pod goes to the first node with room; the client is asked the way the CNI plugin asks it:
//
//	a pod comes   AutoAssign(node, handle, attributes)    first free of the block's queue
//	a pod goes    ReleaseByHandle(handle)                 to the queue's end
//
// One node alone with many blocks wouldn't do for a large pool: the client looks through a node's
// blocks from the first for one with room, reading all of each, and refuses the 21st.
package main

import (
	"context"
	"fmt"
	"net"
	"slices"

	"berth.dev/bench/peers/protocol"
	v3 "github.com/projectcalico/api/pkg/apis/projectcalico/v3"
	libv3 "github.com/projectcalico/calico/libcalico-go/lib/apis/v3"
	"github.com/projectcalico/calico/libcalico-go/lib/backend/model"
	"github.com/projectcalico/calico/libcalico-go/lib/ipam"
	cnet "github.com/projectcalico/calico/libcalico-go/lib/net"
	"github.com/projectcalico/calico/libcalico-go/lib/options"
	"github.com/sirupsen/logrus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	blockBits = 6
	blockSize = 1 << blockBits
)

// pools answers for the IPPool resources: there is one.
type pools struct{ all []v3.IPPool }

func (p pools) GetEnabledPools(version int) ([]v3.IPPool, error) {
	if version != 4 {
		return nil, nil
	}
	return p.all, nil
}

func (p pools) GetAllPools() ([]v3.IPPool, error) { return p.all, nil }

// reservations answers for the IPReservation resources: there are none.
type reservations struct{}

func (reservations) List(context.Context, options.ListOptions) (*v3.IPReservationList, error) {
	return &v3.IPReservationList{}, nil
}

// cluster is what calls the client: it knows its nodes, and the handle of each pod.
type cluster struct {
	*protocol.IPv4
	ctx     context.Context
	data    *store
	ipam    ipam.Interface
	nodes   []string
	room    []int // of each node
	next    int   // no node before it has room
	pods    int   // that there have ever been
	handles []string
}

// pod says what the CNI plugin passes on about a new pod.
func (c *cluster) pod(node int) (handle string, attributes map[string]string) {
	c.pods++
	return fmt.Sprintf("k8s-pod-network.%064x", c.pods), map[string]string{
		ipam.AttributePod:       fmt.Sprintf("pod-%d", c.pods),
		ipam.AttributeNamespace: "default",
		ipam.AttributeNode:      c.nodes[node],
		ipam.AttributeTimestamp: "2025-08-13 17:03:00.123456789 +0000 UTC",
	}
}

func (c *cluster) Allocate() (uint32, error) {
	for c.next < len(c.room) && c.room[c.next] == 0 {
		c.next++
	}
	if c.next == len(c.room) {
		return 0, fmt.Errorf("no node has room")
	}
	handle, attributes := c.pod(c.next)
	given, _, err := c.ipam.AutoAssign(c.ctx, ipam.AutoAssignArgs{
		Num4: 1, HandleID: &handle, Attrs: attributes, Hostname: c.nodes[c.next],
		IntendedUse: v3.IPPoolAllowedUseWorkload,
	})
	if err != nil {
		return 0, err
	}
	if err := given.PartialFulfillmentError(); err != nil {
		return 0, err
	}
	slot, err := c.Slot(given.IPs[0].IP)
	if err != nil {
		return 0, err
	}
	c.room[c.next]--
	c.handles[slot] = handle
	return slot, nil
}

func (c *cluster) Release(slot uint32) error {
	if err := c.ipam.ReleaseByHandle(c.ctx, c.handles[slot]); err != nil {
		return err
	}
	node := int(slot >> blockBits)
	c.room[node]++
	c.next = min(c.next, node)
	return nil
}

// take asks for an address by name.
func (c *cluster) take(slot uint32) error {
	node := int(slot >> blockBits)
	handle, attributes := c.pod(node)
	c.room[node]--
	c.handles[slot] = handle
	return c.ipam.AssignIP(c.ctx, ipam.AssignIPArgs{
		IP: cnet.IP{IP: c.Addresses[slot]}, HandleID: &handle, Attrs: attributes,
		Hostname: c.nodes[node],
	})
}

// Hold writes what taking the addresses one by one leaves behind, with one write for each block:
// the calls would take longer than everything that is measured.
func (c *cluster) Hold(slots []uint32) error {
	for len(slots) > 0 {
		node, count := slots[0]>>blockBits, 1
		for count < len(slots) && slots[count]>>blockBits == node {
			count++
		}
		if err := c.load(int(node), slots[:count]); err != nil {
			return err
		}
		slots = slots[count:]
	}
	return nil
}

// load writes one node's pods: its block, and a handle for each.
func (c *cluster) load(node int, slots []uint32) error {
	cidr := c.block(node)
	pair, err := c.data.Get(c.ctx, model.BlockKey{CIDR: cidr}, "")
	if err != nil {
		return err
	}
	block := pair.Value.(*model.AllocationBlock)
	for _, slot := range slots {
		handle, attributes := c.pod(node)
		c.room[node]--
		c.handles[slot] = handle
		_, err := c.data.Create(c.ctx, &model.KVPair{
			Key:   model.IPAMHandleKey{HandleID: handle},
			Value: &model.IPAMHandle{HandleID: handle, Block: map[string]int{cidr.String(): 1}},
		})
		if err != nil {
			return err
		}
		ordinal, index := int(slot%blockSize), len(block.Attributes)
		block.SetSequenceNumberForOrdinal(ordinal)
		block.SequenceNumber++
		block.Allocations[ordinal] = &index
		block.Attributes = append(block.Attributes, model.AllocationAttribute{
			AttrPrimary: &handle, AttrSecondary: attributes,
		})
		free := func(unallocated int) bool { return unallocated == ordinal }
		block.Unallocated = slices.DeleteFunc(block.Unallocated, free)
	}
	_, err = c.data.Update(c.ctx, pair)
	return err
}

// block is the one that the node owns.
func (c *cluster) block(node int) cnet.IPNet {
	mask := net.CIDRMask(32-blockBits, 32)
	return cnet.IPNet{IPNet: net.IPNet{IP: c.Addresses[node<<blockBits], Mask: mask}}
}

// join adds a node that owns the next block.
func (c *cluster) join() error {
	at := len(c.nodes)
	name := fmt.Sprintf("node-%d", at)
	_, err := c.data.Create(c.ctx, &model.KVPair{
		Key: model.ResourceKey{Kind: libv3.KindNode, Name: name},
		Value: &libv3.Node{
			TypeMeta: metav1.TypeMeta{Kind: libv3.KindNode, APIVersion: v3.GroupVersionCurrent},
			ObjectMeta: metav1.ObjectMeta{
				Name:   name,
				Labels: map[string]string{"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
			},
		},
	})
	if err != nil {
		return err
	}
	claimed, _, err := c.ipam.ClaimAffinity(c.ctx, c.block(at), name)
	if err == nil && len(claimed) != 1 {
		err = fmt.Errorf("%s could not claim %v", name, c.block(at))
	}
	c.nodes, c.room = append(c.nodes, name), append(c.room, blockSize)
	return err
}

func prepare(row protocol.Row) (protocol.Maker, error) {
	v, err := protocol.NewIPv4(row)
	pool := v3.IPPool{Spec: v3.IPPoolSpec{
		CIDR: row.Prefix, BlockSize: 32 - blockBits,
		AllowedUses: []v3.IPPoolAllowedUse{v3.IPPoolAllowedUseWorkload, v3.IPPoolAllowedUseTunnel},
	}}
	pool.Name = "default-ipv4-ippool"
	return func() (protocol.Allocator, error) {
		data := newStore()
		client := ipam.NewIPAMClient(data, pools{[]v3.IPPool{pool}}, reservations{})
		c := &cluster{IPv4: v, ctx: context.Background(), data: data, ipam: client}
		c.handles = make([]string, row.Slots)
		for range row.Slots >> blockBits {
			if err := c.join(); err != nil {
				return nil, err
			}
		}
		// What the row excludes is taken beforehand: reservations would be looked at in every call.
		for _, slot := range []uint32{0, row.Slots - 1} {
			if err := c.take(slot); err != nil {
				return nil, err
			}
		}
		return c, nil
	}, err
}

func main() {
	logrus.SetLevel(logrus.ErrorLevel) // what "log_level": "error" does in the CNI plugin
	peer := protocol.Peer{
		Name: "Calico", Module: "github.com/projectcalico/calico",
		Releases: map[string]string{
			"v1.11.0-cni-plugin.0.20250813170300-a0db560f0520": "v3.28.5+a0db560f0520",
		},
	}
	left := map[string]string{
		"fill-16":        "every call reads and writes its node's block: a round takes most of a minute",
		"nodecidr-48-64": "it hands out addresses, not prefixes",
	}
	for _, row := range protocol.Rows {
		if reason, out := left[row.Name]; out {
			peer.Left = append(peer.Left, protocol.LeftRow{Row: row.Name, Reason: reason})
			continue
		}
		can := protocol.PeerRow{
			Row: row.Name, Policy: "oldest", Common: oneOrder(row), Prepare: prepare,
			Note: "a node for each /26, blocks kept as JSON",
		}
		if row.Percent > 0 {
			can.OperationsMax = 250
		}
		peer.Rows = append(peer.Rows, can)
	}
	protocol.Main(peer)
}

// oneOrder: filling takes each block's slots in order; and where a churn row's nodes are either
// full or empty, the slot that was released last is the only one free on a node that has pods, and
// the first one free of all.
func oneOrder(row protocol.Row) bool {
	return row.Percent == 0 || (row.First+uint32(row.Held()))%blockSize == 0
}
