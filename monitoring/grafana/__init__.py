"""Grafana's dashboards as code, and its provisioning: this folder is what Grafana has at /etc/grafana/provisioning."""
