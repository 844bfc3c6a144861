"""Training ResNet-18 at 64 px: topfive's engine beside a loop of timm's own factories."""
