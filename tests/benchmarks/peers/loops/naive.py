"""The loop that tutorials show: poll, json, a deque for each key, torch on one window, a row and a commit for it."""

import json
import tempfile
from collections import defaultdict, deque
from itertools import pairwise

import torch
from clock import GROUP, HOP, LENGTH, SERVERS, TOPIC, clock
from confluent_kafka import Consumer
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from torch import nn


class Base(DeclarativeBase):
    """Of the tables."""


class Score(Base):
    """A row."""

    __tablename__ = "scores"
    id: Mapped[int] = mapped_column(primary_key=True)
    stream: Mapped[str]
    time: Mapped[int]
    score: Mapped[float]


torch.set_num_threads(1)
widths = (LENGTH, 32, 16, 8, 16, 32, LENGTH)
layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
model = nn.Sequential(*layers[:-1]).eval()
engine = create_engine(f"sqlite:///{tempfile.mkdtemp()}/scores.db")
Base.metadata.create_all(engine)
consumer = Consumer({"bootstrap.servers": SERVERS, "group.id": GROUP, "auto.offset.reset": "earliest"})
consumer.subscribe([TOPIC])
windows: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=LENGTH))
counts: dict[str, int] = defaultdict(int)
with Session(engine) as session:
    while True:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        reading, key = json.loads(message.value()), message.key().decode()
        windows[key].append(reading["value"])
        counts[key] += 1
        if len(windows[key]) == LENGTH and counts[key] % HOP == 0:
            with torch.no_grad():
                x = torch.tensor([list(windows[key])])
                score = nn.functional.mse_loss(model(x), x).item()
            session.add(Score(stream=key, time=reading["time"], score=score))
            session.commit()
        clock.tick()
