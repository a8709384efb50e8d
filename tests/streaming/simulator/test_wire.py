"""Every form of frame, whole: what stands here is what Azure sends."""

import json

from streaming.simulator import wire
from streaming.simulator.wire import Frames, Usage

SAFE = {
    "hate": {"filtered": False, "severity": "safe"},
    "self_harm": {"filtered": False, "severity": "safe"},
    "sexual": {"filtered": False, "severity": "safe"},
    "violence": {"filtered": False, "severity": "safe"},
}
NAME = {
    "created": 1_800_000_000,
    "id": "chatcmpl-1",
    "model": "gpt-4o",
    "object": "chat.completion.chunk",
    "system_fingerprint": "fp_simulator",
}
NAMELESS = {"created": 0, "id": "", "model": "", "object": ""}
frames = Frames("chatcmpl-1", "gpt-4o", 1_800_000_000)


def choice(**fields):
    return [{"finish_reason": None, "index": 0, "logprobs": None, **fields}]


def test_first_frame_has_no_choice_and_judges_the_prompt():
    assert frames.prompt_filter() == {
        "choices": [],
        **NAMELESS,
        "prompt_filter_results": [
            {
                "content_filter_results": {**SAFE, "jailbreak": {"filtered": False, "detected": False}},
                "prompt_index": 0,
            }
        ],
    }


def test_role_frame():
    delta = {"content": "", "refusal": None, "role": "assistant"}
    assert frames.role() == {"choices": choice(delta=delta, content_filter_results={}), **NAME}


def test_content_frame_carries_what_the_filter_found():
    assert frames.content("Baby") == {
        "choices": choice(delta={"content": "Baby"}, content_filter_results=SAFE),
        **NAME,
    }


def test_finish_frame():
    assert frames.finish() == {
        "choices": choice(delta={}, content_filter_results={}, finish_reason="stop"),
        **NAME,
    }


def test_blocked_finish_frame_names_the_category():
    results = {**SAFE, "violence": {"filtered": True, "severity": "medium"}}
    assert frames.finish("content_filter", wire.filtered("violence")) == {
        "choices": choice(delta={}, content_filter_results=results, finish_reason="content_filter"),
        **NAME,
    }


def test_asynchronous_frame_has_offsets_and_no_delta():
    assert frames.annotation(44, 198) == {
        "choices": [
            {
                "content_filter_offsets": {"check_offset": 198, "end_offset": 198, "start_offset": 44},
                "content_filter_results": SAFE,
                "finish_reason": None,
                "index": 0,
            }
        ],
        **NAMELESS,
    }


def test_asynchronous_content_frame_has_no_annotation():
    assert frames.unannotated("Baby") == {"choices": choice(delta={"content": "Baby"}), **NAME}


def test_frame_during_an_outage_says_that_nothing_filters():
    outage = {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}
    assert frames.unfiltered("Baby") == {
        "choices": choice(delta={"content": "Baby"}, content_filter_result=outage),
        **NAME,
    }


def test_refusal_frame():
    assert frames.refusal("I'm") == {
        "choices": choice(delta={"refusal": "I'm"}, content_filter_results={}),
        **NAME,
    }


def test_usage_frame_comes_alone_and_the_others_say_null():
    counting = Frames("chatcmpl-1", "gpt-4o", 1_800_000_000, with_usage=True)
    usage = counting.usage(Usage(3, 4))
    assert usage == {
        "choices": [],
        **NAME,
        "usage": {
            "completion_tokens": 4,
            "completion_tokens_details": {
                "accepted_prediction_tokens": 0,
                "audio_tokens": 0,
                "reasoning_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
            "prompt_tokens": 3,
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
            "total_tokens": 7,
        },
    }
    others = (
        counting.prompt_filter(),
        counting.role(),
        counting.content("x"),
        counting.annotation(0, 1),
        counting.finish(),
    )
    assert [frame["usage"] for frame in others] == [None] * 5


def test_whole_answer():
    assert frames.whole("Hi", "stop", Usage(1, 1)) == {
        "choices": [
            {
                "content_filter_results": SAFE,
                "finish_reason": "stop",
                "index": 0,
                "logprobs": None,
                "message": {"annotations": [], "content": "Hi", "refusal": None, "role": "assistant"},
            }
        ],
        **NAME,
        "object": "chat.completion",
        "prompt_filter_results": frames.prompt_filter()["prompt_filter_results"],
        "usage": Usage(1, 1).body(),
    }


def test_blocked_prompt_names_the_category_inside():
    body = wire.prompt_blocked("jailbreak")["error"]
    assert {key: body[key] for key in ("code", "type", "param", "status", "innererror")} == {
        "code": "content_filter",
        "type": None,
        "param": "prompt",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {**SAFE, "jailbreak": {"filtered": True, "detected": True}},
        },
    }


def test_event_is_one_line_of_utf8():
    data = wire.event(frames.content("né\n\n- 👶"))
    assert data.count(b"\n") == 2
    assert "né\\n\\n- 👶".encode() in data
    assert json.loads(data.removeprefix(b"data: "))["choices"][0]["delta"]["content"] == "né\n\n- 👶"
