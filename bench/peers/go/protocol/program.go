// Program: the command line of a peer.
//
//	PEER list
//	PEER run --peer NAME --row NAME --seed N --operations K
//
// Both answer with one line of JSON; an error goes to standard error with exit status 1, wrong
// usage with 2. A run reads from standard input how many rounds to time next, a number a line, and
// answers each with their times: so that whoever calls it can let others have their turn in
// between. README.md beside this module says what the members mean.
package protocol

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// Peer is what one executable measures.
type Peer struct {
	Name   string
	Module string // whose version is the peer's
	// Releases: what a version is called that is only a commit to Go.
	Releases map[string]string
	Rows     []PeerRow
	Left     []LeftRow
}

// PeerRow is a row that the peer can do.
type PeerRow struct {
	Row    string `json:"row"`
	Policy string `json:"policy"`
	// Common: the policy gives the row's slots in the only order that the row allows.
	Common bool `json:"common"`
	// OperationsMax: more than this many operations would take too long; 0: no such bound.
	OperationsMax int `json:"operationsMax,omitempty"`
	// Note: what a reader of the tables should know about how the peer did the row.
	Note string `json:"note,omitempty"`
	// Prepare does what callers have done beforehand; its bytes and time are not the peer's.
	Prepare func(Row) (Maker, error) `json:"-"`
}

// Maker makes a new, empty allocator.
type Maker func() (Allocator, error)

// LeftRow is a row that the peer is not asked to do, and why.
type LeftRow struct {
	Row    string `json:"row"`
	Reason string `json:"reason"`
}

type listed struct {
	Peer    string    `json:"peer"`
	Version string    `json:"version"`
	Rows    []PeerRow `json:"rows"`
	Left    []LeftRow `json:"left"`
}

type answer struct {
	Peer   string    `json:"peer"`
	Row    string    `json:"row"`
	Policy string    `json:"policy"`
	Common bool      `json:"common"`
	Ns     []float64 `json:"ns"`
	Hash   string    `json:"hash"`
	Bytes  int64     `json:"bytes"`
	Held   int       `json:"held"`
}

// Main is the whole of a peer's main function.
func Main(peer Peer) {
	value, err := command(peer, os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(value)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", peer.Name, err)
		if _, usage := err.(usageError); usage {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

type usageError string

func (e usageError) Error() string { return string(e) }

func command(peer Peer, args []string) (any, error) {
	if len(args) == 1 && args[0] == "list" {
		return listed{peer.Name, version(peer), peer.Rows, append([]LeftRow{}, peer.Left...)}, nil
	}
	if len(args) == 0 || args[0] != "run" {
		return nil, usageError("list, or run --peer NAME --row NAME --seed N --operations K")
	}
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	name := flags.String("peer", peer.Name, "which peer")
	rowName := flags.String("row", "", "which row")
	seed := flags.Uint64("seed", 1, "of the draws")
	operations := flags.Int("operations", 1000, "steps of a churn row's round")
	if err := flags.Parse(args[1:]); err != nil {
		return nil, usageError(err.Error())
	}
	if *name != peer.Name {
		return nil, usageError(fmt.Sprintf("no peer %s here", *name))
	}
	if *operations < 1 || *operations > 1e8 {
		return nil, usageError("--operations is at least 1")
	}
	for _, can := range peer.Rows {
		if can.Row == *rowName {
			return run(peer.Name, can, *seed, *operations)
		}
	}
	return nil, usageError(fmt.Sprintf("%s has no row %q", peer.Name, *rowName))
}

// version is the one that was linked in, by the name of its release where it has one.
func version(peer Peer) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path != peer.Module {
			continue
		}
		if release, named := peer.Releases[dep.Version]; named {
			return release
		}
		return dep.Version
	}
	return "unknown"
}

func run(peer string, can PeerRow, seed uint64, operations int) (any, error) {
	row, err := RowOf(can.Row)
	if err != nil {
		return nil, err
	}
	sequence := NewSequence(row, seed, operations)
	make, err := can.Prepare(row)
	if err != nil {
		return nil, err
	}
	before := heap()
	allocator, err := make()
	if err != nil {
		return nil, err
	}
	if err := sequence.Fill(allocator); err != nil {
		return nil, err
	}
	bytes := heap() - before
	hash, err := sequence.Proceed(allocator, can.Common)
	if err != nil {
		return nil, err
	}
	var ns []float64
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		rounds, err := strconv.Atoi(lines.Text())
		if err != nil || rounds < 1 || rounds > 1e6 {
			return nil, usageError(fmt.Sprintf("%q is no number of rounds", lines.Text()))
		}
		turn, err := timed(sequence, allocator, rounds)
		if err != nil {
			return nil, err
		}
		if err := json.NewEncoder(os.Stdout).Encode(turn); err != nil {
			return nil, err
		}
		ns = append(ns, turn...)
	}
	runtime.KeepAlive(make)
	runtime.KeepAlive(allocator)
	return answer{
		peer, row.Name, can.Policy, can.Common, ns, hash.String(), bytes, row.Held(),
	}, nil
}

// timed is the nanoseconds of one call, for each of so many rounds.
func timed(sequence *Sequence, allocator Allocator, rounds int) ([]float64, error) {
	ns := make([]float64, rounds)
	for round := range ns {
		begin := time.Now()
		if err := sequence.Round(allocator); err != nil {
			return nil, err
		}
		elapsed := time.Since(begin)
		ns[round] = float64(elapsed.Nanoseconds()) / float64(sequence.Calls())
	}
	return ns, nil
}

// heap is the bytes that are in use after everything unreachable is gone.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
