//go:build tools

// Package tools names what is built from the modules, so that go.mod can lock them.
package tools

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
