"""The hardware that models can ask for."""

from collections.abc import Mapping

SKUS: Mapping[str, str] = {
    "cpu": "CPU",
    "gpu-t4": "Nvidia T4 GPU",
    "gpu-l40s": "Nvidia L40S GPU",
    "gpu-2x-l40s": "2x Nvidia L40S GPU",
    "gpu-a40-small": "Nvidia A40 GPU",
    "gpu-a40-large": "Nvidia A40 (Large) GPU",
    "gpu-a100-large": "Nvidia A100 (80GB) GPU",
    "gpu-a100-large-2x": "2x Nvidia A100 (80GB) GPU",
    "gpu-h100": "Nvidia H100 GPU",
}
"""What the API calls each kind, and its name for people."""
