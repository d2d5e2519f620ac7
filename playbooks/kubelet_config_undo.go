package playbooks

import "context"

// Undoable: files go back as they were.
func (s *kubeletConfig) Undoable() string { return "" }

// Before keeps both files.
func (s *kubeletConfig) Before(ctx context.Context, h Host) (string, error) {
	f, err := s.look(ctx, h)
	if err != nil {
		return "", s.failed("look", err)
	}
	paths := []string{f.path()}
	if f.dir == "" && f.reads != "" {
		paths = append(paths, f.reads)
	}
	return keepOnly(ctx, h, paths...)
}

// Undo puts them back, with the kubelet stopped.
func (s *kubeletConfig) Undo(record string) Step {
	return &kubeletConfigBack{filesBack{inverse: s.inverse(), files: parseFiles(record)}}
}

// kubeletConfigBack takes a kubelet's configuration back.
type kubeletConfigBack struct{ filesBack }

// Configured implements Configurer: it is another configuration than now, and which one only the files know.
func (s *kubeletConfigBack) Configured() map[string]any { return nil }

// Verify asks whether the kubelet runs with it.
func (s *kubeletConfigBack) Verify(ctx context.Context, h Host) error {
	return s.verifyActive(ctx, h, "kubelet.service")
}
