"""The inputs of Replicate's old DreamBooth API, put into the words of today's trainers."""

from dataclasses import replace

from app.models import DreamBooth, JsonValue, TrainingRequest
from app.services.model_inputs.schema import InputSchema

_OWN_INPUTS = ("instance_prompt", "class_prompt", "max_train_steps")
"""A trainer that knows all of these is given what came, as it is."""

# Where a trainer has no input of that name; the other end of a range stays open.
_STEPS = ("steps", "training_steps")
_FEWEST_STEPS, _MOST_STEPS = 3, 6000

_OTHER_NAMES = {"train_batch_size": "batch_size"}
_WITHOUT_MEANING = frozenset(
    {
        *("class_data", "num_class_images", "with_prior_preservation", "prior_loss_weight", "pad_tokens"),
        *("save_sample_prompt", "save_sample_negative_prompt", "n_save_sample", "save_guidance_scale"),
        *("save_infer_steps", "sample_batch_size", "center_crop", "train_text_encoder", "num_train_epochs"),
        *("gradient_accumulation_steps", "scale_lr", "lr_scheduler", "lr_warmup_steps", "use_8bit_adam"),
        *("adam_beta1", "adam_beta2", "adam_weight_decay", "adam_epsilon", "max_grad_norm"),
        *("resolution", "seed", "learning_rate", "gradient_checkpointing", "train_batch_size"),
    }
)
"""Inputs of the old trainer that are left out where today's has no such input."""

_LONGEST_TRIGGER_WORD = 64
_PUNCTUATION = " \t\n.,;:!?\"'()[]{}<>*_`"
_COMMON = """
a an the this that these those some one two of in on at by with from to for as and or is are was my your
his her its our their me you him it us them i he she we they very
photo photos photograph photographs picture pictures image images portrait portraits drawing painting
paintings illustration sketch render rendering photography shot closeup close up selfie art artwork
style styled poster logo icon scene view
person people man men woman women boy boys girl girls child children kid kids baby human guy lady face
body head family friend couple
dog dogs puppy cat cats kitten animal animals pet pets bird horse fish
toy toys car cars bike house building room chair table bag backpack shoe shoes bottle cup mug watch
phone book food plant flower flowers tree trees object thing product item furniture sofa clothing dress
shirt hat glasses sunglasses jacket
beautiful handsome cute old young new small big large little tall red green blue black white yellow
pink brown grey gray golden modern vintage realistic detailed high quality hd front side back
wearing sitting standing holding looking smiling taken made beach city street forest mountain
"""
_COMMON_WORDS = frozenset(_COMMON.split())


def in_todays_words(request: TrainingRequest, asked: DreamBooth, schema: InputSchema) -> TrainingRequest:
    """`request` with the options of `asked`, in the words of the trainer that `schema` belongs to.

    A trainer that has the old inputs itself gets them unchanged. For any other, the word that calls the
    subject up is looked for in `instance_prompt`, the steps are brought into the trainer's range, and what
    has no meaning there is listed as ignored.
    """
    if all(schema.has(name) for name in _OWN_INPUTS):
        options: dict[str, JsonValue] = {
            "class_prompt": asked.class_prompt,
            "max_train_steps": asked.max_train_steps,
            **(asked.options or {}),
        }
        return replace(request, trigger_word=asked.instance_prompt, options=options, dreambooth=None)
    options, ignored = {}, list(request.ignored)
    if asked.class_prompt is not None:
        ignored.append("class_prompt")
    if asked.max_train_steps is not None:
        options["steps"] = _within_range(asked.max_train_steps, schema)
    for name, value in (asked.options or {}).items():
        target = name if schema.has(name) else _OTHER_NAMES.get(name, name)
        if not schema.has(target) and name in _WITHOUT_MEANING:
            ignored.append(name)
        else:
            options[target] = value
    word = trigger_word_in(asked.instance_prompt, asked.class_prompt)
    return replace(request, trigger_word=word, options=options, ignored=tuple(ignored), dreambooth=None)


def trigger_word_in(instance_prompt: str, class_prompt: str | None) -> str:
    """The word for the subject in "a photo of sks person", which is `sks`.

    It is the only word that `class_prompt` does not have, or else the last one that is not everyday English;
    if there is none, the whole prompt, as far as a trigger word may be long.
    """
    words = [word for part in instance_prompt.split() if (word := part.strip(_PUNCTUATION))]
    if class_prompt is not None:
        class_words = {part.strip(_PUNCTUATION).lower() for part in class_prompt.split()}
        own = [word for word in words if word.lower() not in class_words]
        if len(own) == 1 and len(words) > 1:
            return own[0][:_LONGEST_TRIGGER_WORD]
    unusual = [word for word in words if word.lower() not in _COMMON_WORDS]
    found = unusual[-1] if unusual else " ".join(words) or instance_prompt.strip()
    return found[:_LONGEST_TRIGGER_WORD].strip()


def _within_range(steps: int, schema: InputSchema) -> int:
    name = schema.first_of(*_STEPS)
    low, high = schema.bounds(name) if name is not None else (None, None)
    fewest = int(low) if low is not None else _FEWEST_STEPS
    most = int(high) if high is not None else _MOST_STEPS
    return min(max(steps, fewest), most)
