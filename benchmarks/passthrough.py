"""What people write by hand, to be compared with: FastAPI, the SDK, one event per token, nothing else.

No login, no check, no saving. Served as `uvicorn benchmarks.passthrough:app`.
"""

import json
import os
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncAzureOpenAI
from pydantic import BaseModel

app = FastAPI()
client = AsyncAzureOpenAI(
    azure_endpoint=os.environ.get("AZURE_OPENAI_ENDPOINT", "http://127.0.0.1:9100"),
    api_key=os.environ.get("AZURE_OPENAI_API_KEY", "x"),
    api_version="2024-10-21",
)


class Question(BaseModel):
    message: str


async def relay(message: str) -> AsyncIterator[str]:
    stream = await client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": message}], stream=True
    )
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            event = {"type": "token", "content": chunk.choices[0].delta.content}
            yield f"data: {json.dumps(event)}\n\n"
    yield 'data: {"type":"done"}\n\n'


@app.post("/stream")
async def stream(question: Question) -> StreamingResponse:
    return StreamingResponse(relay(question.message), media_type="text/event-stream")
