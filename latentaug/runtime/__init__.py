"""What processes share: settings, logs, traces, supervision and jobs. The other rooms never import this one."""
