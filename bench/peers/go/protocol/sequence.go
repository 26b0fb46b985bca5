// Sequence: the work that every peer of the benchmark does, and the hash that shows that it did it.
// bench/peers/sequence.ts says the same in TypeScript, for Berth and the peers in JavaScript; the
// two are changed together, and a test runs both.
//
// A round of a fill row allocates every usable slot, then releases them in the order in which they
// came. A round of a churn row releases a held slot and allocates one, over and over; which slot is
// released is drawn from the seed before the clock runs:
//
//	held:   1 2 3 ... n      (the first n usable slots, in order)
//	draw:   i = next() mod n
//	step:   slot = held[i]; held[i] = held[n-1]; release(slot); held[n-1] = allocate()
//
// Fill and Proceed are done once on a new allocator, untimed: they check every answer and make the
// hash. Round is what is timed afterwards, any number of times.
package protocol

import (
	"fmt"
	"strconv"
)

// Allocator is what a peer is reduced to: slots are addresses (or sub-prefixes) less the first one
// of the row's prefix.
type Allocator interface {
	Allocate() (uint32, error)
	Release(slot uint32) error
}

// Holder is an Allocator that can take named slots. A churn row starts with them; without it the
// slots come from Allocate.
type Holder interface {
	Hold(slots []uint32) error
}

// Row is one line of the benchmark's tables: a prefix whose slots first..last can be given.
type Row struct {
	Name        string
	Prefix      string
	Length      int // of a slot: 32 for IPv4 addresses, 64 for node prefixes
	Slots       uint32
	First, Last uint32
	Percent     uint32 // held while a churn row runs; 0: a fill row
}

// Rows has every row by its order in the tables.
var Rows = []Row{
	{"fill-24", "10.0.0.0/24", 32, 1 << 8, 1, 254, 0},
	{"fill-16", "10.0.0.0/16", 32, 1 << 16, 1, 65534, 0},
	{"churn-24@50", "10.0.0.0/24", 32, 1 << 8, 1, 254, 50},
	{"churn-16@50", "10.0.0.0/16", 32, 1 << 16, 1, 65534, 50},
	{"churn-16@99", "10.0.0.0/16", 32, 1 << 16, 1, 65534, 99},
	{"nodecidr-48-64", "2001:db8::/48", 64, 1 << 16, 0, 65535, 0},
}

// RowOf finds a row by its name.
func RowOf(name string) (Row, error) {
	for _, row := range Rows {
		if row.Name == name {
			return row, nil
		}
	}
	return Row{}, fmt.Errorf("no row %s", name)
}

// Usable is the number of slots that can be given.
func (r Row) Usable() int { return int(r.Last - r.First + 1) }

// Held is the number of slots that are held when the row is at its fullest.
func (r Row) Held() int {
	if r.Percent == 0 {
		return r.Usable()
	}
	return r.Usable() * int(r.Percent) / 100
}

// Random is xorshift64*.
type Random struct{ state uint64 }

// NewRandom starts from a seed; an even one counts as the odd one after it.
func NewRandom(seed uint64) *Random { return &Random{seed | 1} }

// Next is the next number, all 64 bits of it.
func (r *Random) Next() uint64 {
	x := r.state
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	r.state = x
	return x * 0x2545F4914F6CDD1D
}

// Hash is FNV-1a, 64 bits, over numbers written in decimal with a newline each.
type Hash uint64

// NewHash is the hash of nothing.
func NewHash() Hash { return 0xcbf29ce484222325 }

// Add takes one number in.
func (h *Hash) Add(number uint32) {
	var buffer [16]byte
	text := append(strconv.AppendUint(buffer[:0], uint64(number), 10), '\n')
	for _, b := range text {
		*h = (*h ^ Hash(b)) * 0x100000001b3
	}
}

// String is 16 digits in hexadecimal.
func (h Hash) String() string { return fmt.Sprintf("%016x", uint64(h)) }

// Sequence is a row's work with the draws made and the space for its answers taken.
type Sequence struct {
	Row   Row
	held  []uint32
	draws []uint32
	seen  []uint32 // released, given, released, given ... of a churn row's last round
}

// NewSequence draws for `operations` steps; a fill row needs none.
func NewSequence(row Row, seed uint64, operations int) *Sequence {
	s := &Sequence{Row: row, held: make([]uint32, row.Held())}
	if row.Percent > 0 {
		random := NewRandom(seed)
		s.draws = make([]uint32, operations)
		s.seen = make([]uint32, 2*operations)
		for i := range s.draws {
			s.draws[i] = uint32(random.Next() % uint64(len(s.held)))
		}
	}
	return s
}

// Calls is the number of calls to the allocator in one round.
func (s *Sequence) Calls() int {
	if s.Row.Percent > 0 {
		return len(s.seen)
	}
	return 2 * len(s.held)
}

// Fill brings a new allocator to its fullest.
func (s *Sequence) Fill(a Allocator) error {
	if holder, ok := a.(Holder); ok && s.Row.Percent > 0 {
		for i := range s.held {
			s.held[i] = s.Row.First + uint32(i)
		}
		return holder.Hold(s.held)
	}
	return s.allocateAll(a)
}

// Proceed does the first round (after Fill, what is left of it), checks every answer and returns
// the hash: of the slots in the order in which they were given and released where the row rules
// that order, else of what any order must have in common.
func (s *Sequence) Proceed(a Allocator, common bool) (Hash, error) {
	filled := append([]uint32(nil), s.held...)
	if err := s.rest(a); err != nil {
		return 0, err
	}
	if err := s.check(filled); err != nil {
		return 0, err
	}
	hash := NewHash()
	if common {
		for _, slot := range filled {
			hash.Add(slot)
		}
		events := s.seen
		if s.Row.Percent == 0 {
			events = filled
		}
		for _, slot := range events {
			hash.Add(slot)
		}
		return hash, nil
	}
	for _, count := range []int{len(filled), s.Calls(), s.Row.Usable()} {
		hash.Add(uint32(count))
	}
	return hash, nil
}

// Round is the timed work.
func (s *Sequence) Round(a Allocator) error {
	if s.Row.Percent == 0 {
		if err := s.allocateAll(a); err != nil {
			return err
		}
	}
	return s.rest(a)
}

func (s *Sequence) allocateAll(a Allocator) error {
	for i := range s.held {
		slot, err := a.Allocate()
		if err != nil {
			return err
		}
		s.held[i] = slot
	}
	return nil
}

func (s *Sequence) rest(a Allocator) error {
	if s.Row.Percent == 0 {
		for _, slot := range s.held {
			if err := a.Release(slot); err != nil {
				return err
			}
		}
		return nil
	}
	last := len(s.held) - 1
	for i, draw := range s.draws {
		slot := s.held[draw]
		s.held[draw] = s.held[last]
		if err := a.Release(slot); err != nil {
			return err
		}
		given, err := a.Allocate()
		if err != nil {
			return err
		}
		s.held[last] = given
		s.seen[2*i], s.seen[2*i+1] = slot, given
	}
	return nil
}

// check: nothing is given twice, nothing that the row excludes.
func (s *Sequence) check(filled []uint32) error {
	taken := make([]bool, s.Row.Slots)
	take := func(slot uint32) error {
		if slot < s.Row.First || slot > s.Row.Last {
			return fmt.Errorf("slot %d was given, usable are %d to %d", slot, s.Row.First, s.Row.Last)
		}
		if taken[slot] {
			return fmt.Errorf("slot %d was given while it was held", slot)
		}
		taken[slot] = true
		return nil
	}
	for _, slot := range filled {
		if err := take(slot); err != nil {
			return err
		}
	}
	for i := 0; i < len(s.seen); i += 2 {
		taken[s.seen[i]] = false
		if err := take(s.seen[i+1]); err != nil {
			return err
		}
	}
	return nil
}
