"""The same work as step-worker.ts in PyTorch: the paper's DT block, with AdamW. Arguments: height, width, channels of the images; threads.

It speaks the protocol of worker.ts.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

BATCH = 128
CLASSES = 10
FEATURES = 256


class Block(nn.Module):
    """Image path and label path, joined and read out; unpadded convolutions, floored pooling."""

    def __init__(self, height, width, colors):
        super().__init__()
        self.image = nn.Sequential(
            nn.Conv2d(colors, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Conv2d(64, 128, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.2),
            nn.Flatten(),
        )
        flat = self.image(torch.zeros(1, colors, height, width)).shape[1]
        self.features = nn.Sequential(nn.Linear(flat, FEATURES), nn.BatchNorm1d(FEATURES))
        self.label1 = nn.Sequential(nn.Linear(CLASSES, FEATURES), nn.BatchNorm1d(FEATURES), nn.ReLU())
        self.label2 = nn.Sequential(
            nn.Linear(FEATURES, FEATURES),
            nn.BatchNorm1d(FEATURES),
            nn.ReLU(),
            nn.Linear(FEATURES, FEATURES),
            nn.BatchNorm1d(FEATURES),
        )
        self.fusion = nn.Sequential(
            nn.Linear(2 * FEATURES, FEATURES),
            nn.BatchNorm1d(FEATURES),
            nn.ReLU(),
            nn.Linear(FEATURES, FEATURES // 2),
            nn.BatchNorm1d(FEATURES // 2),
            nn.ReLU(),
            nn.Linear(FEATURES // 2, CLASSES),
        )

    def forward(self, images, z):
        h = self.label1(z)
        joined = torch.cat([self.features(self.image(images)), h + self.label2(h)], 1)
        return F.softmax(self.fusion(joined), 1)


def make_step(height, width, colors, channels_last):
    torch.manual_seed(1)
    block = Block(height, width, colors).train()
    images = torch.randn(BATCH, colors, height, width)
    if channels_last:
        block = block.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(block.parameters(), lr=1e-3, weight_decay=1e-3)
    labels = F.one_hot(torch.arange(BATCH) % CLASSES, CLASSES).float()

    def step():
        z = 0.28 * labels + 0.96 * torch.randn(BATCH, CLASSES)
        loss = 0.03 * ((block(images, z) - labels) ** 2).sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def measure(step, seconds):
    count, started, cpu_before = 0, time.perf_counter(), time.process_time()
    while True:
        step()
        count += 1
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return {"count": count, "seconds": elapsed, "cpuSeconds": time.process_time() - cpu_before}


def rate(step):
    step()
    result = measure(step, 1.0)
    return result["count"] / result["seconds"]


def main():
    height, width, colors, threads = map(int, sys.argv[1:5])
    torch.set_num_threads(threads)
    # which layout is faster depends on how PyTorch was built: it gets the one that is
    layouts = {name: make_step(height, width, colors, name == "channels_last") for name in ("contiguous", "channels_last")}
    rates = {name: rate(step) for name, step in layouts.items()}
    best = max(rates, key=rates.get)
    print(json.dumps({"version": torch.__version__, "layout": best, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(layouts[best], json.loads(line)["seconds"])), flush=True)


main()
